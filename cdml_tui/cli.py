"""The `cdml` command: picks the console, a one-shot verb, or `python -m engine`; never two."""

import os
import sys
import traceback
from contextlib import closing
from io import TextIOWrapper
from typing import NoReturn

from cdml_tui import completion, engine_command, location, plain
from cdml_tui.arguments import overview, parser, unknown, verb_rows
from cdml_tui.client import Client, ConsoleError, EngineLost
from cdml_tui.output import clean, line, talk
from cdml_tui.terminal import Terminal
from cdml_tui.verbs.session import Session, usage
from cdml_tui.verbs.table import VERBS
from engine.wire import ErrorAnswer, ErrorBody

_EXITS = {403: 4, 404: 2, 409: 4, 422: 2, 503: 3}


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
    except PermissionError as fault:
        message = (
            f'Running cdml: {fault.strerror} on "{fault.filename}". Run it as the user of the '
            "workspace, or have that user give you the right."
        )
        _tell(ErrorBody("no_permission", clean(message)), as_json=as_json)
        return 3
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
    if name == completion.HIDDEN:
        return completion.complete(after)
    if name not in VERBS:
        raise usage(unknown(name), "verb")
    if name == "watch" and not _in_lines(after):
        return _watch(before, after)
    if name == "completion":
        line(completion.script(" ".join(parser(name).parse_args(after).words)).rstrip())
        return 0
    if VERBS[name].run is None or engine_command.needs_no_engine(name, after):
        _become_engine(name, [*before, *after])
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


def _watch(before: list[str], after: list[str]) -> int:
    """Open the console, or write its picture."""
    args = parser("watch").parse_args([*before, *after])
    if args.svg is None:
        return _console([*before, *after])
    workspace = location.find(args.workspace)
    from cdml_tui.picture import save

    with closing(Client(workspace / "run" / "engine.sock")) as client:
        return save(client, str(workspace), args.svg, args.page, args.size)


def _in_lines(after: list[str]) -> bool:
    return bool({"--plain", "--once"} & set(after))


def _become_engine(name: str, words: list[str]) -> NoReturn:
    """Replace this process by `python -m engine VERB` with the same arguments."""
    command = engine_command.command(name, words)
    sys.stdout.flush()
    os.execve(sys.executable, command, engine_command.environment())  # noqa: S606 - no shell


def _console(before: list[str]) -> int:
    if "--json" in before:
        raise usage("--json needs a verb, like cdml watch --plain --json.", "verb")
    workspace = location.find(engine_command.named_workspace(before))
    client = Client(workspace / "run" / "engine.sock")
    terminal = Terminal()
    if refusal := terminal.refusal():
        raise ConsoleError("no_terminal", refusal, status=422)
    if said := terminal.cannot_draw():
        talk(said)
        return plain.follow(client, as_json=False)
    from cdml_tui import app, embedded

    return app.run(client, str(workspace), verbs=verb_rows(), run_words=embedded.run)


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
