"""The verbs that `python -m engine` carries out: its command line, and the environment for it."""

import os
import sys
from pathlib import Path

from cdml_tui import location

_NEED_A_WORKSPACE = (
    "check",
    "up",
    "rollback",
    "predict",
    "token",
    "backtest",
    "backup",
    "doctor",
    "logs",
    "service",
)


def needs_no_engine(name: str, after: list[str]) -> bool:
    """Say whether a verb of the engine's client is carried out without one, by its options."""
    flags = {word.partition("=")[0] for word in after}
    if name in ("rollback", "backup"):
        return "--offline" in flags
    return name == "drift" and bool(flags & {"--reference", "--current"})


def command(name: str, words: list[str]) -> list[str]:
    """Return the command that carries a verb out with these words."""
    if name in _NEED_A_WORKSPACE and not {"-h", "--help", "--keys"} & set(words):
        words = ["-w", str(location.find(named_workspace(words))), *without_workspace(words)]
    elif name in ("drift", "restore"):
        words = without_workspace(words)  # two files, or two folders, need none
    # -P: a folder called "engine" where the operator stands must not be taken for ours.
    return [sys.executable, "-P", "-m", "engine", name, *words]


def environment() -> dict[str, str]:
    """Return the environment in which that command finds this very program."""
    env = dict(os.environ)
    home = Path(__file__).resolve().parent.parent
    if home.name != "site-packages":
        env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(home), env.get("PYTHONPATH"))))
    return env


def named_workspace(words: list[str]) -> str | None:
    """Return the folder that -w names, if it does."""
    found = None
    for at, word in enumerate(words):
        if word in ("-w", "--workspace") and at + 1 < len(words):
            found = words[at + 1]
        elif word.startswith("--workspace="):
            found = word.partition("=")[2]
        elif word.startswith("-w") and len(word) > 2:
            found = word[2:]
    return found


def without_workspace(words: list[str]) -> list[str]:
    """Return the words without -w and its folder."""
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in ("-w", "--workspace"):
            skip = True
        elif not word.startswith(("--workspace=", "-w")):
            kept.append(word)
    return kept
