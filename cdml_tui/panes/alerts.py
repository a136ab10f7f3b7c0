"""Alerts as rows and as facts: what, since when, how sure, what it costs, what to do next."""

from datetime import datetime

from cdml_tui.panes.columns import Cell, Column
from cdml_tui.panes.facts import facts
from cdml_tui.panes.figures import age, clock, count
from cdml_tui.panes.line import Line, Style
from engine import wire

_STATES: dict[str, Style] = {"firing": "bad", "pending": "warn", "ended": "dim"}


def columns(now: datetime | None) -> tuple[Column[wire.AlertRow], ...]:
    """Return what a row shows of an alert."""
    return (
        Column("N", 4, lambda a: str(a.number), right=True),
        Column("LEVEL", 5, level),
        Column("STATE", 7, lambda a: (word(a), _STATES.get(a.state, "dim"))),
        Column("SINCE", 5, lambda a: age(a.since, now), least=60, right=True),
        Column("ROWS", 5, lambda a: count(a.n), least=60, right=True),
        Column("LOOKS", 5, lambda a: count(a.looks), least=76, right=True),
        Column("MODEL", 8, lambda a: a.model, least=120),
        Column("OF", 6, lambda a: a.version, least=100),
        Column("WHAT", 0, lambda a: (a.text, "dim" if a.state == "ended" else "")),
    )


def level(alert: wire.AlertRow) -> Cell:
    """Return how grave an alert is."""
    if alert.state == "ended":
        return alert.severity, "dim"
    return alert.severity, "bad" if alert.severity == "CRIT" else "warn"


def word(alert: wire.AlertRow) -> str:
    """Return the state of an alert in a short word."""
    return "known" if alert.state == "acknowledged" else alert.state


def known(alert: wire.AlertRow, now: datetime | None, width: int) -> list[Line]:
    """Draw all that is known of an alert."""
    looks = "1 look" if alert.looks == 1 else f"{alert.looks} looks"
    begun = f"{clock(alert.since, now)}, {looks}, the last {clock(alert.seen, now)}"
    steps = [("next" if i == 0 else "then", step) for i, step in enumerate(alert.next)]
    return facts(
        (
            ("what", alert.text),
            ("since", f"{begun}; n {alert.n}"),
            ("how sure", alert.sure),
            ("costs", alert.cost),
            ("moved", alert.because),
            ("quiet", _quiet(alert, now)),
            ("ended", f"{clock(alert.ended, now)}: {alert.why_ended}" if alert.ended else ""),
            *steps,
        ),
        width,
    )


def _quiet(alert: wire.AlertRow, now: datetime | None) -> str:
    if alert.state == "muted":
        why = f": {alert.mute_reason}" if alert.mute_reason else ""
        return f"muted by {alert.muted_by} until {clock(alert.muted_until, now)}{why}"
    if alert.acked_by:
        why = f": {alert.ack_reason}" if alert.ack_reason else ""
        return f"acknowledged by {alert.acked_by}, {clock(alert.acked_at, now)}{why}"
    return ""
