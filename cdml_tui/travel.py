"""Looking at a past moment: which one the keys mean, and taking in what it was like. Pure.

The engine goes on being followed meanwhile; only what is drawn is of then.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cdml_tui.effects import AskPast, Step
from cdml_tui.state import Past, Screen, decision_now, moment, then_of
from engine import wire

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
# A step back and the same step on end at the present, though it has moved meanwhile.
_NOW = timedelta(minutes=1)
_NOTHING = "nothing is known of any moment yet"
_NOTABLE = ("WARN", "CRIT", "ACT")


def back(screen: Screen) -> Step:
    """Go to the last moment before the one shown at which something notable happened."""
    shown = _shown(screen)
    if shown is None:
        return replace(screen, message=_NOTHING), ()
    found = max((t for t in _notable(screen) if t < shown), default=None)
    return _to(screen, found or shown - HOUR)


def stepped(screen: Screen, step: timedelta) -> Step:
    """Go on or back by a step; at the present, the past is left."""
    shown, now = _shown(screen), decision_now(screen)
    if shown is None or now is None:
        return replace(screen, message=_NOTHING), ()
    to = shown + step
    if to < now - _NOW:
        return _to(screen, to)
    if screen.past is None:
        return replace(screen, message="this is the present; b goes back"), ()
    return present(screen), ()


def present(screen: Screen) -> Screen:
    """Show the present again."""
    return replace(screen, past=None, message="this is the present again")


def came(screen: Screen, at: str, state: wire.State) -> Screen:
    """Take in what a moment was like, unless another is looked at by now."""
    if screen.past is None or screen.past.at != at:
        return screen
    return replace(screen, past=Past(at, state))


def not_came(screen: Screen, at: str, why: str) -> Screen:
    """Take in that it cannot be had: the present is shown, and why."""
    if screen.past is None or screen.past.at != at:
        return screen
    return replace(screen, past=None, message=why)


def _shown(screen: Screen) -> datetime | None:
    return moment(screen.past.at) if screen.past else decision_now(screen)


def _notable(screen: Screen) -> list[datetime]:
    """Return the moments of the events shown that are of this model and more than news."""
    state = then_of(screen).snapshot
    rows = [e for e in state.events if e.model in (None, screen.model)] if state else []
    times = (moment(e.time) for e in rows if e.level in _NOTABLE)
    return [t.replace(microsecond=0) for t in times if t is not None]


def _to(screen: Screen, to: datetime) -> Step:
    if screen.sheets:
        return replace(screen, message="close this page first, to look at a past moment"), ()
    at = to.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    state = screen.past.state if screen.past else None
    return replace(screen, past=Past(at, state), outcome=None), (AskPast(at),)


KEYS: dict[str, Callable[[Screen], Step]] = {
    "past": back,
    "earlier": lambda screen: stepped(screen, -HOUR),
    "later": lambda screen: stepped(screen, HOUR),
    "day_earlier": lambda screen: stepped(screen, -DAY),
    "day_later": lambda screen: stepped(screen, DAY),
}
