"""Holding the screen as it is, while the engine goes on being followed. Pure."""

from dataclasses import replace

from cdml_tui.state import Screen, snapshot_came


def paused(screen: Screen) -> Screen:
    """Hold the screen, or let it go on."""
    if screen.paused is not None:
        return replace(resumed(screen), message="the screen goes on")
    return replace(screen, paused=screen.at, message="paused: the screen stays as it is; p goes on")


def resumed(screen: Screen) -> Screen:
    """End a pause: the newest state that came meanwhile is what the screen shows."""
    behind, at = screen.behind, screen.at
    screen = replace(screen, paused=None, behind=None)
    if behind is None:
        return screen
    heard = screen.heard
    return replace(snapshot_came(replace(screen, at=at), *behind), heard=heard, at=at)
