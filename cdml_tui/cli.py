"""The `cdml` command: picks the console, a one-shot verb, or `python -m engine`; never two."""

import os
import sys
import traceback
from io import TextIOWrapper
from pathlib import Path

from cdml_tui import location
from cdml_tui.arguments import VERBS, overview, parser, unknown
from cdml_tui.client import Client, ConsoleError, EngineLost
from cdml_tui.output import clean, talk
from cdml_tui.verbs.session import Session, usage
from engine.wire import ErrorAnswer, ErrorBody

_EXITS = {403: 4, 404: 2, 409: 4, 422: 2, 503: 3}
# Verbs of a workspace that `python -m engine` carries out: it is told which one.
_OF_WORKSPACE = (
    "check", "up", "rollback", "backup", "doctor", "predict", "token", "backtest", "service",
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run `cdml` and return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    as_json = "--json" in words
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that has no such sign
    try:
        return _dispatch(words)
    except ConsoleError as fault:
        _tell(ErrorBody(fault.code, clean(fault.message), fault.field), as_json=as_json)
        return _exit_code(fault)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our answer has gone; the interpreter must not try to flush it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as fault:  # noqa: BLE001 - the edge of the command: no trace reaches a person
        if os.environ.get("CDML_DEBUG") == "1":
            traceback.print_exc()
        found = f"{type(fault).__name__}: {str(fault)[:200]}"
        message = (
            f"Running cdml: something unforeseen happened ({found}). "
            "Run it again with CDML_DEBUG=1 to see where, and report that."
        )
        _tell(ErrorBody("unforeseen", clean(message)), as_json=as_json)
        return 1


def _dispatch(words: list[str]) -> int:
    before, rest = _split(words)
    if not rest:
        return _console(before)
    name, after = rest[0], rest[1:]
    if name not in VERBS:
        raise usage(unknown(name), "verb")
    if VERBS[name].run is None or _needs_no_engine(name, after):
        _become_engine(name, before, after)
    args = parser(name).parse_intermixed_args([*before, *after])
    session, run = Session(args), VERBS[name].run
    try:
        return run(session) if run else 0
    finally:
        session.close()


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Split into the options before the verb, and the verb with what follows."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        word = words[at]
        if word in ("-h", "--help", "--version"):
            sys.stdout.write((overview() if word != "--version" else _version()) + "\n")
            raise SystemExit(0)
        if word in ("-w", "--workspace"):
            if at + 1 == len(words):
                raise usage(f"{word} needs a folder.", "workspace")
            at += 1
        elif word != "--json" and not word.startswith(("--workspace=", "-w")):
            raise usage(f'there is no option "{word[:40]}" before the verb. See cdml --help.')
        at += 1
    return words[:at], words[at:]


def _needs_no_engine(name: str, after: list[str]) -> bool:
    flags = {word.partition("=")[0] for word in after}
    if name in ("rollback", "backup"):
        return "--offline" in flags
    return name == "drift" and bool(flags & {"--reference", "--current"})


def _become_engine(name: str, before: list[str], after: list[str]) -> None:
    """Replace this process by `python -m engine VERB` with the same arguments."""
    words = [*before, *after]
    if name in _OF_WORKSPACE and not _asks_nothing(after):
        words = ["-w", str(location.find(_named_workspace(words))), *_without_workspace(words)]
    elif name == "drift":
        words = _without_workspace(words)  # two files need none
    env = dict(os.environ)
    home = Path(__file__).resolve().parent.parent
    if home.name != "site-packages":
        env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(home), env.get("PYTHONPATH"))))
    # -P: a folder called "engine" where the operator stands must not be taken for ours.
    command = [sys.executable, "-P", "-m", "engine", name, *words]
    sys.stdout.flush()
    os.execve(sys.executable, command, env)  # noqa: S606 - there is meant to be no shell


def _asks_nothing(after: list[str]) -> bool:
    return bool({"-h", "--help", "--keys"} & set(after))


def _named_workspace(words: list[str]) -> str | None:
    found = None
    for at, word in enumerate(words):
        if word in ("-w", "--workspace") and at + 1 < len(words):
            found = words[at + 1]
        elif word.startswith("--workspace="):
            found = word.partition("=")[2]
        elif word.startswith("-w") and len(word) > 2:
            found = word[2:]
    return found


def _without_workspace(words: list[str]) -> list[str]:
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in ("-w", "--workspace"):
            skip = True
        elif not word.startswith(("--workspace=", "-w")):
            kept.append(word)
    return kept


def _console(before: list[str]) -> int:
    if "--json" in before:
        raise usage("--json needs a verb, like cdml status --json.", "verb")
    workspace = location.find(_named_workspace(before))
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise usage("the console needs a terminal. Without one use cdml status, or cdml --help.")
    from cdml_tui.app import run

    return run(Client(workspace / "run" / "engine.sock"), str(workspace))


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"cdml {version('cdml')}"
    except PackageNotFoundError:
        return "cdml (not installed)"


def _exit_code(fault: ConsoleError) -> int:
    if isinstance(fault, EngineLost):
        return 3
    if fault.code == "conflict":
        return 5
    return _EXITS.get(fault.status, 1)


def _tell(error: ErrorBody, *, as_json: bool) -> None:
    if as_json:
        import msgspec

        sys.stderr.write(msgspec.json.encode(ErrorAnswer(error)).decode() + "\n")
    else:
        talk(f"cdml: {error.message}")


if __name__ == "__main__":
    sys.exit(main())
