"""A verb carried out inside the console: what it would have written comes back as text."""

import subprocess

from cdml_tui import engine_command, output
from cdml_tui.arguments import parser
from cdml_tui.client import ConsoleError
from cdml_tui.effects import Ran
from cdml_tui.request_key import GivenKey, asked_by
from cdml_tui.verbs.session import Session
from cdml_tui.verbs.table import VERBS

DEADLINE_S = 120.0


def run(path: str, words: tuple[str, ...], key: GivenKey) -> Ran:
    """Carry one line out on a workspace; ConsoleError where it was refused or failed."""
    name, rest = words[0], list(words[1:])
    verb = VERBS[name]
    if {"-h", "--help"} & set(rest) and verb.run is not None:
        return Ran(0, parser(name).format_help())
    if verb.run is None or engine_command.needs_no_engine(name, rest):
        return _by_engine(path, name, rest)
    args = parser(name).parse_intermixed_args([*rest, "-w", path])
    session = Session(args)
    try:
        with output.captured() as written, asked_by(key):
            code = verb.run(session)
    finally:
        session.close()
    return Ran(code, written.getvalue())


def _by_engine(path: str, name: str, rest: list[str]) -> Ran:
    command = engine_command.command(name, [*rest, "-w", path])
    try:
        done = subprocess.run(
            command,
            env=engine_command.environment(),
            capture_output=True,
            timeout=DEADLINE_S,
            check=False,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise ConsoleError("engine_failed", f"Running cdml {name}: {fault}.") from fault
    if done.returncode and not done.stdout:
        said = done.stderr.strip().removeprefix("cdml: ")
        raise ConsoleError("engine_failed", said or f"cdml {name} ended with {done.returncode}.")
    return Ran(done.returncode, done.stdout + done.stderr)
