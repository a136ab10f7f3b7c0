"""Puts the panes together for any size of terminal; there is no size it refuses."""

from collections.abc import Callable

from cdml_tui.panes.bar import BAR_ROWS, bottom, rows_needed
from cdml_tui.panes.drift import drift
from cdml_tui.panes.events import events
from cdml_tui.panes.header import fitted, header, incident_wrapped
from cdml_tui.panes.jobs import jobs
from cdml_tui.panes.line import Line, Span, beside, block, drawn
from cdml_tui.panes.plan import plan
from cdml_tui.panes.signals import signals
from cdml_tui.panes.versions import versions, wanted_height
from cdml_tui.state import Pane, Screen, model_of

NARROW = 76
SHORT = 12
WIDE = 120
TALL = 30


# More lines than any pane has; a zoomed pane is drawn whole, and a part of it shown.
_ALL = 1000

_PANES: dict[Pane, Callable[[Screen, int, int], list[Line]]] = {
    "versions": versions,
    "signals": signals,
    "jobs": jobs,
    "events": events,
    "drift": drift,
    "plan": plan,
}


def panes_at(width: int, height: int) -> tuple[Pane, ...]:
    """Name the panes that a terminal of this size shows, in the order of Tab."""
    if height < SHORT or width < NARROW:
        return ("versions",)
    if width >= WIDE and height >= TALL:
        return ("versions", "signals", "jobs", "events", "drift", "plan")
    return ("versions", "signals", "jobs", "events")


def zoomed_room(screen: Screen) -> tuple[int, int]:
    """Return how many rows the zoomed pane has under its title, and for how many there is room."""
    rows = len(_PANES[screen.focus](screen, screen.width, _ALL)) - 1
    return rows, max(1, screen.height - len(_head(screen)) - 1 - _low(screen))


def watch(screen: Screen, width: int, height: int) -> list[Line]:
    """Return the base screen: exactly `height` lines of exactly `width` columns."""
    if screen.zoomed:
        lines = _zoomed(screen, width, height)
    elif height < SHORT:
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


def _zoomed(screen: Screen, width: int, height: int) -> list[Line]:
    """One pane between the first lines and the last."""
    head, low = _head(screen), _low(screen)
    room = max(0, height - len(head) - low)
    if screen.focus == "versions":
        return _with_bottom(screen, [*head, *versions(screen, width, room)], width, height)
    name, *rows = _PANES[screen.focus](screen, width, _ALL)
    space = max(0, room - 1)
    top = min(screen.top, max(0, len(rows) - space))
    seen = rows[top : top + space]
    return _with_bottom(screen, [*head, name, *seen], width, height)


def _head(screen: Screen) -> list[Line]:
    return list(fitted(screen, screen.width)) if screen.height >= SHORT else []


def _low(screen: Screen) -> int:
    return min(rows_needed(screen, screen.width), screen.height)


def _pane(screen: Screen, name: Pane, width: int, height: int) -> list[Line]:
    """Draw a pane; the one with the focus says so where it is not the list of versions."""
    lines = _PANES[name](screen, width, height)
    if screen.focus != name or name == "versions" or not lines:
        return lines
    first = tuple(Span(s.text, "bold" if s.style == "title" else s.style) for s in lines[0])
    return [(Span("▸", "key"), Span(first[0].text[1:], first[0].style), *first[1:]), *lines[1:]]


def _short(screen: Screen, width: int, height: int) -> list[Line]:
    rows = min(max(1, rows_needed(screen, width)), max(1, height - 1))
    top = block(incident_wrapped(screen, width, height - rows), height - rows, width)
    return [*top, *block(bottom(screen, width, rows), rows, width)]


def _narrow(screen: Screen, width: int, height: int) -> list[Line]:
    head = [header(screen, width), *incident_wrapped(screen, width, max(3, height // 4))]
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
            _pane(screen, "signals", left_width, middle),
            _pane(screen, "jobs", width - left_width, middle),
            left_width,
            "",
            width,
        ),
    ]
    body += _pane(screen, "events", width, max(1, height - len(body) - 2))
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
        *block(_pane(screen, "signals", left_width, middle), middle, left_width),
        *block(_pane(screen, "events", left_width, rest), rest, left_width),
    ]
    right = [
        *block(_pane(screen, "drift", right_width, listed), listed, right_width),
        *block(_pane(screen, "jobs", right_width, middle), middle, right_width),
        *block(_pane(screen, "plan", right_width, rest), rest, right_width),
    ]
    body = [*fitted(screen, width), *beside(left, right, left_width, "│", width)]
    return _with_bottom(screen, body, width, height)


def _middle_rows(screen: Screen, most: int) -> int:
    model, state = model_of(screen), screen.snapshot
    shown = max(len(model.signals) if model else 0, len(state.jobs) if state else 0, 4)
    return min(1 + shown, most)
