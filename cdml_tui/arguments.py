"""The verbs of `cdml` in one table: words, one-line help, arguments, and what carries each out."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NoReturn

from cdml_tui.verbs import (
    alerting,
    bringing,
    changing,
    drifting,
    expecting,
    incident,
    judging,
    keeping,
    locking,
    looking,
    report,
    running,
    tracing,
)
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
    "backtest": Verb(
        "[MODEL] [--policy P]...", "what other policies would have done with a model's history"
    ),
    "up": Verb("[--foreground]", "start the engine and the prediction service"),
    "down": Verb("", "stop them", changing.down),
    "status": Verb("", "engine, serving and models in a few lines", looking.status),
    "versions": Verb("[MODEL]", "the versions of a model, now or then", looking.versions, ("at",)),
    "show": Verb("[MODEL] VERSION", "one version: lineage and gate report", looking.show),
    "train": Verb("[MODEL]", "train candidates now", running.train, ("wait", "plan", "reason")),
    "validate": Verb(
        "[MODEL] VERSION",
        "judge a version again on today's mature rows",
        running.validate,
        ("wait", "reason"),
    ),
    "compare": Verb("[MODEL] A B", "two versions on the same rows", judging.compare),
    "monitor": Verb(
        "[MODEL]",
        "watch the champion now",
        running.monitor,
        ("wait", "rebuild", "reason"),
    ),
    "jobs": Verb("", "the runs, newest first", looking.jobs),
    "job": Verb("ID", "one run", looking.job, ("log",)),
    "cancel": Verb("ID", "end a run that waits or works", running.cancel, ("reason",)),
    "promote": Verb(
        "[MODEL] [VERSION]",
        "make a version the champion",
        changing.promote,
        ("expect", "reason", "no-way-back", "override", "override-freeze"),
    ),
    "rollback": Verb(
        "[MODEL]",
        "back to the last known good version, and hold it",
        changing.rollback,
        ("to", "before", "expect", "reason", "attack", "offline", "override"),
    ),
    "canary": Verb(
        "[MODEL] VERSION",
        "have a version answer a share, or the next share of the policy",
        bringing.canary,
        ("share", "expect", "reason", "override-freeze"),
    ),
    "abort": Verb(
        "[MODEL]",
        "stop canary and shadow; the champion stays (rollback takes that back)",
        bringing.abort,
        ("expect", "reason"),
    ),
    "roll-through": Verb(
        "[MODEL]",
        "promote the canary now, because the champion is sick; needs --reason",
        bringing.roll_through,
        ("expect", "reason", "override-freeze"),
    ),
    "approve": Verb(
        "[MODEL] VERSION",
        "say yes to the step that a version waits for",
        bringing.approve,
        ("expect", "reason"),
    ),
    "reject": Verb(
        "[MODEL] VERSION",
        "say no to a version that waits; needs --reason",
        bringing.reject,
        ("expect", "reason"),
    ),
    "rollout": Verb("[MODEL]", "the rollout's evidence, and what follows", bringing.rollout),
    "undo": Verb(
        "[MODEL]",
        "take back the last promotion or rollback, within 60 s",
        changing.undo,
        ("expect", "reason", "override-freeze"),
    ),
    "hold": Verb("[MODEL]", "no automatic change of champion", locking.hold, ("reason",)),
    "resume": Verb("[MODEL]", "lift a hold", locking.resume, ("reason",)),
    "freeze": Verb(
        "[MODEL]", "no automatic change, of a model or of all", locking.freeze, ("reason",)
    ),
    "thaw": Verb("[MODEL]", "lift a freeze", locking.thaw, ("reason",)),
    "pin": Verb(
        "[MODEL] [VERSION]", "not even a person replaces the champion", locking.pin, ("reason",)
    ),
    "unpin": Verb("[MODEL]", "lift a pin", locking.unpin, ("reason",)),
    "taint": Verb(
        "[MODEL]",
        "do not trust rows, a batch or a version; alone: list",
        locking.taint,
        ("from", "to/time", "batch", "version/taint", "lift", "reason"),
    ),
    "ingest": Verb("[MODEL] FILE...", "hand over files of rows", running.ingest),
    "pull": Verb(
        "[MODEL]", "ask the model's source for rows now", running.pull, ("wait", "reason")
    ),
    "labels": Verb("[MODEL] FILE...", "hand over files of labels", running.labels),
    "predict": Verb("[MODEL] FILE", "ask the prediction service about every row of a file"),
    "drift": Verb(
        "[MODEL] | --reference FILE --current FILE",
        "drift of every column, or of one file against another",
        drifting.drift,
    ),
    "quality": Verb(
        "[MODEL]", "nulls, ranges, times, labels: what is wrong with the rows", looking.quality
    ),
    "performance": Verb(
        "[MODEL]",
        "performance by window: realised, and estimated before labels",
        expecting.performance,
    ),
    "forecast": Verb("[MODEL]", "what the next windows should bring", expecting.forecast),
    "kpi": Verb(
        "[MODEL]",
        "business numbers against never and always acting and their promise",
        expecting.kpi,
    ),
    "report": Verb(
        "[MODEL]",
        "a model between two moments as one HTML file, for who was not there",
        report.report,
        ("from", "to/time", "out"),
    ),
    "clients": Verb("[MODEL]", "who asks, and the signs of an attack", looking.clients),
    "events": Verb("", "what happened", looking.events, ("limit", "follow")),
    "audit": Verb(
        "[MODEL]",
        "who changed what, hash-chained",
        tracing.audit,
        ("limit", "verify", "version/audit", "at", "batch", "overrides", "since"),
    ),
    "lineage": Verb("[MODEL] VERSION", "what a version is made of", tracing.lineage),
    "reproduce": Verb(
        "[MODEL] VERSION",
        "train a version again from what was recorded; exit 1 where it comes out otherwise",
        tracing.reproduce,
    ),
    "alerts": Verb(
        "[MODEL]",
        "what stands beyond its limit, and what today's rules would have raised",
        alerting.alerts,
        ("all", "replay", "from/replay", "to/replay"),
    ),
    "alert": Verb(
        "[ack|mute] ID",
        "one alert and what to do; acknowledge it, or mute it for a time",
        alerting.alert,
        ("for", "reason"),
    ),
    "incident": Verb(
        "[N]",
        "what happened on a bad day: list, show, note, close, report",
        incident.incident,
        ("note", "close", "report"),
    ),
    "token": Verb("new|list|revoke [NAME]", "who may call the prediction port"),
    "service": Verb(
        "install|status|uninstall [--user] [--print]", "systemd units of this workspace, checked"
    ),
    "doctor": Verb("", "look at everything, and say how to mend what is not well"),
    "backup": Verb("[--offline]", "copy the workspace, hot, and verify it", keeping.backup),
    "restore": Verb("BACKUP DIR", "bring a backup back into a new folder, verified"),
    "reload": Verb("", "have the engine read cdml.toml again", changing.reload),
    "keys": Verb("", "the console's keys and the commands that do the same", looking.keys),
}

_OPTIONS: dict[str, dict[str, object]] = {
    "wait": {"action": "store_true", "help": "until it is done; exit 0 pass, 4 refused, 1 failed"},
    "plan": {"action": "store_true", "help": "only say on what; exit 4 if it would be refused"},
    "rebuild": {
        "action": "store_true",
        "help": "measure all earlier looks again from the raw rows, and say what differs",
    },
    "reason": {"default": "", "metavar": "T", "help": "why; kept in the audit"},
    "expect": {"metavar": "V", "help": "do it only if V is the champion; else exit 5"},
    "to": {"metavar": "V", "help": "the version to go back to"},
    "before": {"metavar": "T", "help": "to a version trained on rows before T only"},
    "note": {"metavar": "T", "help": "add a note to it"},
    "close": {"action": "store_true", "help": "it is over"},
    "report": {"metavar": "FILE", "help": "write the post-mortem as Markdown; - for stdout"},
    "attack": {"action": "store_true", "help": "the version left is tainted, not only held"},
    "offline": {"action": "store_true", "help": "without the engine, straight in the ledger"},
    "no-way-back": {"action": "store_true", "help": "even if nothing could be rolled back to"},
    "override": {
        "action": "append",
        "default": [],
        "metavar": "GUARD",
        "help": "in spite of this guard; needs --reason",
    },
    "override-freeze": {"action": "store_true", "help": "in spite of a freeze; needs --reason"},
    "from": {"dest": "from_", "metavar": "T", "help": "the first moment of the rows"},
    "to/time": {"metavar": "T", "help": "the moment after the last row; of a day alone, its end"},
    "out": {"metavar": "FILE", "help": "where to; - for stdout"},
    "batch": {"metavar": "SHA", "help": "a batch, by the beginning of its digest"},
    "version/taint": {"metavar": "V", "help": "a version"},
    "version/audit": {"metavar": "V", "help": "what happened to a version, on what evidence"},
    "lift": {
        "type": int,
        "nargs": "?",
        "const": 0,
        "metavar": "ID",
        "help": "trust it again; without ID the only taint that stands",
    },
    "at": {"metavar": "T", "help": "as it stood at a past moment"},
    "overrides": {"action": "store_true", "help": "what was done in spite of a guard"},
    "since": {"metavar": "T", "help": "from then on (of --overrides: this month)"},
    "all": {"action": "store_true", "help": "ended and pending ones too"},
    "replay": {"action": "store_true", "help": "try today's rules on the stored looks"},
    "from/replay": {"dest": "from_", "metavar": "T", "help": "looks from then on"},
    "to/replay": {"metavar": "T", "help": "looks before then"},
    "for": {"dest": "for_", "metavar": "D", "help": "how long a mute lasts, like 12h (1d)"},
    "share": {"type": float, "metavar": "PCT", "help": "percent of the answers, 1 to 99"},
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
        # What follows a slash tells apart options of one name in different verbs.
        flag = option.partition("/")[0]
        made.add_argument(f"--{flag}", **_OPTIONS[option])  # type: ignore[arg-type]
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
