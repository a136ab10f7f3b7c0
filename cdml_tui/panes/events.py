"""Events for people, oldest first, the latest at the bottom."""

from datetime import datetime

from cdml_tui.panes.line import Line, Span, Style, fit, inert, line, pad, title
from cdml_tui.panes.versions import filtered
from cdml_tui.sheet import lets
from cdml_tui.state import Screen, decision_now, filter_of, moment
from engine import wire

_STYLES: dict[str, Style] = {"WARN": "warn", "CRIT": "bad", "ACT": "bold"}


def events(screen: Screen, width: int, height: int) -> list[Line]:
    """Draw the latest events of this model and of the engine itself."""
    head = title("Events", width, filtered(screen, "events"), "4")
    state = screen.snapshot
    if state is None:
        return [head, line((" waiting for the engine", "dim"))][:height]
    rows = [e for e in state.events if e.model in (None, screen.model)]
    rows.sort(key=lambda e: e.id)
    wanted = filter_of(screen, "events")
    if wanted is not None:
        rows = [e for e in rows if lets(wanted, f"{e.level} {e.kind} {e.text}")]
    if wanted is not None and not rows:
        return [head, line((" no event here has that; Esc ends the filter", "dim"))][:height]
    if not rows:
        return [head, line((" nothing has happened yet", "dim"))][:height]
    latest = _folded(rows)[-(height - 1) :] if height > 1 else []
    now = decision_now(screen)
    dated = state.engine.simulated or any(not _today(e, now) for e, _ in latest)
    return [head, *(fit(_row(e, more, dated=dated), width) for e, more in latest)][:height]


def _folded(rows: list[wire.EventRow]) -> list[tuple[wire.EventRow, int]]:
    """Fold runs of INFO of one kind into the last of them, so that they push nothing grave out."""
    folded: list[tuple[wire.EventRow, int]] = []
    for row in rows:
        before = folded[-1] if folded else None
        if before and row.level == before[0].level == "INFO" and row.kind == before[0].kind:
            folded[-1] = (row, before[1] + 1)
        else:
            folded.append((row, 0))
    return folded


def event_line(event: wire.EventRow, width: int) -> Line:
    """Draw one event with its date."""
    return fit(_row(event, 0, dated=True), width)


def _today(event: wire.EventRow, now: datetime | None) -> bool:
    then = moment(event.time)
    return then is not None and now is not None and then.date() == now.date()


def _row(event: wire.EventRow, more: int, *, dated: bool) -> Line:
    then = moment(event.time)
    stamp = "" if then is None else f"{then:%m-%d %H:%M}" if dated else f"{then:%H:%M:%S}"
    return (
        Span(f" {stamp} ", "dim"),
        Span(pad(event.level, 5), _STYLES.get(event.level, "dim")),
        Span(pad(inert(event.kind), 9) + " "),
        Span(f"({more} before) " if more else "", "dim"),
        Span(inert(event.text)),
    )
