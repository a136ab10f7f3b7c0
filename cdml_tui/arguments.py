"""The command line of `cdml`: parsers and help, made from the table of verbs."""

import argparse
from difflib import get_close_matches
from typing import NoReturn

from cdml_tui.keyhelp import VerbHelp
from cdml_tui.options import OPTIONS
from cdml_tui.verbs.session import usage
from cdml_tui.verbs.table import VERBS

# The options of every verb.
GLOBAL = ("-w", "--workspace", "--json")


def flags(name: str) -> list[str]:
    """Return the options of a verb as they are typed."""
    own = [f"--{option.partition('/')[0]}" for option in VERBS[name].options]
    return [*own, *(word for word in VERBS[name].words.split() if word.startswith("--")), *GLOBAL]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise usage(f"{message}. See {self.prog} --help.")


def parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of one verb's arguments."""
    verb = VERBS[name]
    made = _Parser(prog=f"cdml {name}", description=f"{verb.help}.", allow_abbrev=False)
    made.add_argument("-w", "--workspace", metavar="DIR", help="the workspace's folder")
    made.add_argument("--json", action="store_true", help="the answer as JSON")
    if verb.words == "[MODEL]":
        made.add_argument("model", nargs="?", metavar="MODEL")
    elif verb.words == "ID":
        made.add_argument("id", metavar="ID")
    elif verb.words:
        made.add_argument("words", nargs="*", metavar=verb.words)
    for option in verb.options:
        # What follows a slash tells apart options of one name in different verbs.
        flag = option.partition("/")[0]
        made.add_argument(f"--{flag}", **OPTIONS[option])  # type: ignore[arg-type]
    return made


def verb_rows() -> tuple[VerbHelp, ...]:
    """Return the table as the console's command line knows it."""
    return tuple(
        VerbHelp(
            name,
            verb.words,
            verb.help,
            tuple(option.partition("/")[0] for option in verb.options),
            verb.danger.value,
            verb.changes_with,
            verb.looks_with,
            verb.elsewhere,
        )
        for name, verb in VERBS.items()
    )


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
            "            4 refused by a rule, 5 not as expected, 6 something is open (watch)",
        ]
    )
