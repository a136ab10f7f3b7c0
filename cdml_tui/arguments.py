"""The verbs of `cdml` in one table: words, one-line help, arguments, and what carries each out."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NoReturn

from cdml_tui.verbs import changing, looking, running
from cdml_tui.verbs.session import Session, usage

Run = Callable[[Session], int]


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb. `run` is None where `python -m engine` carries it out, engine running or not."""

    words: str
    help: str
    run: Run | None = None
    options: tuple[str, ...] = ()


VERBS: dict[str, Verb] = {
    "init": Verb("DIR --data FILE... --target C", "make a workspace from a table of your own"),
    "check": Verb("[--keys]", "check cdml.toml and say what it will do"),
    "demo": Verb("[--headless]", "replay real flights through a workspace of its own"),
    "up": Verb("[--foreground]", "start the engine and the prediction service"),
    "down": Verb("", "stop them", changing.down),
    "status": Verb("", "engine, serving and models in a few lines", looking.status),
    "versions": Verb("[MODEL]", "the versions of a model", looking.versions),
    "show": Verb("[MODEL] VERSION", "one version: lineage and gate report", looking.show),
    "train": Verb("[MODEL]", "train candidates now", running.train, ("wait", "reason")),
    "monitor": Verb("[MODEL]", "watch the champion now", running.monitor, ("wait", "reason")),
    "jobs": Verb("", "the runs, newest first", looking.jobs),
    "job": Verb("ID", "one run", looking.job, ("log",)),
    "promote": Verb(
        "[MODEL] [VERSION]",
        "make a version the champion",
        changing.promote,
        ("expect", "reason", "no-way-back", "override"),
    ),
    "rollback": Verb(
        "[MODEL]",
        "back to the last known good version, and hold it",
        changing.rollback,
        ("to", "expect", "reason", "attack", "offline"),
    ),
    "undo": Verb(
        "[MODEL]", "take back the last change, within 60 s", changing.undo, ("expect", "reason")
    ),
    "hold": Verb("[MODEL]", "no automatic change of champion", changing.hold, ("reason",)),
    "resume": Verb("[MODEL]", "lift a hold", changing.resume, ("reason",)),
    "ingest": Verb("[MODEL] FILE...", "hand over files of rows", running.ingest),
    "labels": Verb("[MODEL] FILE...", "hand over files of labels", running.labels),
    "predict": Verb("[MODEL] FILE", "ask the prediction service about every row of a file"),
    "drift": Verb(
        "[MODEL] | --reference FILE --current FILE",
        "drift of every column, or of one file against another",
        looking.drift,
    ),
    "performance": Verb("[MODEL]", "realised performance per window", looking.performance),
    "events": Verb("", "what happened", looking.events, ("limit", "follow")),
    "audit": Verb("", "who changed what, hash-chained", looking.audit, ("limit", "verify")),
    "token": Verb("new|list|revoke [NAME]", "who may call the prediction port"),
    "reload": Verb("", "have the engine read cdml.toml again", changing.reload),
    "keys": Verb("", "the console's keys and the commands that do the same", looking.keys),
}

_OPTIONS: dict[str, dict[str, object]] = {
    "wait": {"action": "store_true", "help": "until it is done; exit 0 pass, 4 refused, 1 failed"},
    "reason": {"default": "", "metavar": "T", "help": "why; kept in the audit"},
    "expect": {"metavar": "V", "help": "do it only if V is the champion; else exit 5"},
    "to": {"metavar": "V", "help": "the version to go back to"},
    "attack": {"action": "store_true", "help": "the version left is tainted, not only held"},
    "offline": {"action": "store_true", "help": "without the engine, straight in the ledger"},
    "no-way-back": {"action": "store_true", "help": "even if nothing could be rolled back to"},
    "override": {
        "action": "append",
        "default": [],
        "metavar": "GUARD",
        "help": "in spite of this guard; needs --reason",
    },
    "limit": {"type": int, "default": 50, "metavar": "N", "help": "how many (50)"},
    "follow": {"action": "store_true", "help": "go on as they come"},
    "log": {"action": "store_true", "help": "what its process wrote, too"},
    "verify": {"action": "store_true", "help": "check the whole chain; exit 1 if it is broken"},
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise usage(f"{message}. See {self.prog} --help.")


def parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of one verb's arguments."""
    verb = VERBS[name]
    made = _Parser(prog=f"cdml {name}", description=f"{verb.help}.", allow_abbrev=False)
    made.add_argument("-w", "--workspace", metavar="DIR", help="the workspace's folder")
    made.add_argument("--json", action="store_true", help="the answer as JSON")
    if verb.words in ("[MODEL]", "[MODEL] | --reference FILE --current FILE"):
        made.add_argument("model", nargs="?", metavar="MODEL")
    elif verb.words == "ID":
        made.add_argument("id", metavar="ID")
    elif verb.words:
        made.add_argument("words", nargs="*", metavar=verb.words)
    for option in verb.options:
        made.add_argument(f"--{option}", **_OPTIONS[option])  # type: ignore[arg-type]
    return made


def unknown(name: str) -> str:
    """Say that a verb does not exist, with the nearest one."""
    close = get_close_matches(name, VERBS, n=1, cutoff=0.5)
    hint = f'The nearest is "{close[0]}".' if close else "See cdml --help."
    return f'there is no verb "{name[:40]}". {hint}'


def overview() -> str:
    """Return the help of `cdml` itself."""
    width = max(len(f"{name} {verb.words}") for name, verb in VERBS.items() if len(verb.words) < 35)
    rows = [f"  {f'{name} {verb.words}'.ljust(width)}  {verb.help}" for name, verb in VERBS.items()]
    return "\n".join(
        [
            "usage: cdml [-w DIR] [--json] [VERB ...]",
            "",
            "Without a verb: the console. Each verb has its own --help.",
            "",
            *rows,
            "",
            "  -w, --workspace DIR  else CDML_WORKSPACE, else the nearest folder upwards with a",
            "                       cdml.toml, else ~/.config/cdml/workspace",
            "  --json               the answer as JSON on stdout",
            "  --version            the version of cdml",
            "",
            "exit codes: 0 done, 1 failed, 2 usage or settings, 3 engine not reachable,",
            "            4 refused by a rule, 5 not as expected",
        ]
    )
