"""Puts the panes together for any size of terminal; there is no size it refuses."""

from cdml_tui.panes.bar import BAR_ROWS, bottom, rows_needed
from cdml_tui.panes.drift import drift
from cdml_tui.panes.events import events
from cdml_tui.panes.header import fitted, header, incident_wrapped
from cdml_tui.panes.jobs import jobs
from cdml_tui.panes.line import Line, beside, block, drawn
from cdml_tui.panes.plan import plan
from cdml_tui.panes.signals import signals
from cdml_tui.panes.versions import versions, wanted_height
from cdml_tui.state import Screen, model_of

NARROW = 76
SHORT = 12
WIDE = 120
TALL = 30


def watch(screen: Screen, width: int, height: int) -> list[Line]:
    """Return the base screen: exactly `height` lines of exactly `width` columns."""
    if height < SHORT:
        lines = _short(screen, width, height)
    elif width < NARROW:
        lines = _narrow(screen, width, height)
    elif width >= WIDE and height >= TALL:
        lines = _wide(screen, width, height)
    else:
        lines = _usual(screen, width, height)
    return drawn(lines, screen.glyphs)


def _with_bottom(screen: Screen, body: list[Line], width: int, height: int) -> list[Line]:
    """Lay the bottom over the last lines of the body; nothing else moves."""
    rows = min(rows_needed(screen, width), height)
    low = block(bottom(screen, width, rows), rows, width)
    return [*block(body, height - 2, width), *block([], 2, width)][: height - rows] + low


def _short(screen: Screen, width: int, height: int) -> list[Line]:
    rows = min(max(1, rows_needed(screen, width)), max(1, height - 1))
    top = block(incident_wrapped(screen, width), height - rows, width)
    return [*top, *block(bottom(screen, width, rows), rows, width)]


def _narrow(screen: Screen, width: int, height: int) -> list[Line]:
    head = [header(screen, width), *incident_wrapped(screen, width)]
    room = max(3, height - len(head) - 2)
    if screen.bar is not None:
        room = max(3, height - len(head) - BAR_ROWS)
    return _with_bottom(screen, [*head, *versions(screen, width, room)], width, height)


def _usual(screen: Screen, width: int, height: int) -> list[Line]:
    """80x24 and its neighbours: versions, signals beside jobs, events."""
    free = height - 4
    listed = min(wanted_height(screen), max(6, free // 3 + 1))
    middle = _middle_rows(screen, max(5, (free - listed) // 2 + 1))
    left_width = width // 2 + 2
    body = [
        *fitted(screen, width),
        *block(versions(screen, width, listed), listed, width),
        *beside(
            signals(screen, left_width, middle),
            jobs(screen, width - left_width, middle),
            left_width,
            "",
            width,
        ),
    ]
    body += events(screen, width, max(1, height - len(body) - 2))
    return _with_bottom(screen, body, width, height)


def _wide(screen: Screen, width: int, height: int) -> list[Line]:
    """160x48: the same, with drift and the plan at the right."""
    left_width = width * 3 // 5
    right_width = width - left_width - 1
    free = height - 4
    listed = min(max(wanted_height(screen), 10), free // 3)
    middle = min(_middle_rows(screen, free // 3), free // 3)
    rest = free - listed - middle
    left = [
        *block(versions(screen, left_width, listed), listed, left_width),
        *block(signals(screen, left_width, middle), middle, left_width),
        *block(events(screen, left_width, rest), rest, left_width),
    ]
    right = [
        *block(drift(screen, right_width, listed), listed, right_width),
        *block(jobs(screen, right_width, middle), middle, right_width),
        *block(plan(screen, right_width, rest), rest, right_width),
    ]
    body = [*fitted(screen, width), *beside(left, right, left_width, "│", width)]
    return _with_bottom(screen, body, width, height)


def _middle_rows(screen: Screen, most: int) -> int:
    model, state = model_of(screen), screen.snapshot
    shown = max(len(model.signals) if model else 0, len(state.jobs) if state else 0, 4)
    return min(1 + shown, most)
