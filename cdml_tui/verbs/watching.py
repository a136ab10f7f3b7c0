"""Looking without a screen: the line mode, one summary for cron, a line for the login banner."""

import os
import signal
import sys
from types import FrameType

from cdml_tui import location, plain, quick
from cdml_tui.client import ConsoleError, EngineLost
from cdml_tui.output import clean, json_line, line
from cdml_tui.panes.spoken import banner, stands_beyond, summary
from cdml_tui.verbs.session import Session
from engine import wire

BEYOND = 6
ONCE_S = 5.0
# A login waits for its banner: so long for the answer, so long in all.
BANNER_S = 0.4
DEADLINE_S = 0.7


def watch(session: Session) -> int:
    """Say every change in a line, or with --once how everything is; the screen is not ours."""
    if session.args.once:
        return _once(session)
    return plain.follow(session.client, as_json=session.json)


def _once(session: Session) -> int:
    """Say how everything is; exit 0 where all is within its limits, else 6."""
    door = location.find(session.args.workspace) / "run" / "engine.sock"
    state = quick.ask(door, "/state", wire.State, ONCE_S)
    beyond = stands_beyond(state)
    if session.json:
        json_line({"within_limits": not beyond, "said": summary(state)})
    else:
        for said in summary(state):
            plain.write(said, as_json=False)
    return BEYOND if beyond else 0


def motd(session: Session) -> int:
    """Say what is open in a line or two; never keeps a login waiting, never fails it."""
    signal.signal(signal.SIGALRM, _too_late)
    signal.setitimer(signal.ITIMER_REAL, DEADLINE_S)
    try:
        folder = location.find(session.args.workspace)
        lines = banner(quick.ask(folder / "run" / "engine.sock", "/state", wire.State, BANNER_S))
    except EngineLost as lost:
        slow = lost.sent
        found = "does not answer in time" if slow else f"is down; cdml up -w {folder} starts it"
        lines = [f"cdml {folder.name}: the engine {found}"]
    except ConsoleError:
        lines = []  # nothing here, or nothing for this user: no reason to bother a login
    if session.json:
        json_line({"lines": lines})
    else:
        for text in lines:
            line(text)
    return 0


def _too_late(_: int, __: FrameType | None) -> None:
    sys.stdout.write(clean("cdml: no answer in time; look with cdml status") + "\n")
    sys.stdout.flush()
    os._exit(0)
