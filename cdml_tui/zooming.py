"""Which pane of the base screen has the focus, and whether it has the screen to itself. Pure."""

from dataclasses import replace

from cdml_tui.state import Pane, Screen, seen_anew

_END = 1_000_000


def focused(screen: Screen, panes: tuple[Pane, ...], step: int) -> Screen:
    """Give the next of the panes on the screen the focus."""
    if len(panes) < 2:
        said = "there is room for this pane only; zoomed, it changes with every pane"
        return replace(screen, focus=panes[0], message=said)
    at = panes.index(screen.focus) + step if screen.focus in panes else 0
    focus = panes[at % len(panes)]
    screen = replace(screen, focus=focus, top=_first_of(focus))
    return seen_anew(screen) if screen.zoomed else screen


def zoomed(screen: Screen) -> Screen:
    """Give the focused pane the screen to itself, or take it back."""
    return seen_anew(replace(screen, zoomed=not screen.zoomed, top=_first_of(screen.focus)))


def _first_of(pane: Pane) -> int:
    """Events are read from the end, where the newest are."""
    return _END if pane == "events" else 0


def scrolled(screen: Screen, way: str, rows: int, room: int) -> Screen:
    """Scroll a zoomed pane that has more rows than there is room."""
    step = {"up": -1, "down": 1, "page_up": -room, "page_down": room, "first": -rows, "last": rows}
    last = max(0, rows - room)
    return replace(screen, top=max(0, min(min(screen.top, last) + step[way], last)))
