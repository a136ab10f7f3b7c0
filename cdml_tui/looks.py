"""What keys that change nothing do: moving, opening, filtering, marking, copying, pausing. Pure."""

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

from cdml_tui import filtering, pausing, selecting, travel, turning, zooming
from cdml_tui.effects import Copy, Fetch, Picture, Quit, Step
from cdml_tui.panes.layout import panes_at, zoomed_room
from cdml_tui.prompt import Kind, Prompt
from cdml_tui.reach import place_of, why_not
from cdml_tui.screens.table import PAGES
from cdml_tui.state import Asking, Outcome, Pane, Proving, Screen, Theme, then_of

_PROMPTS: dict[str, Kind] = {"command": ":", "filter": "/", "note": "note", "palette": "palette"}
_MOVES = ("up", "down", "first", "last", "page_up", "page_down")


def done(screen: Screen, action: str | None, key: str, *, quit_asked: bool = False) -> Step:
    """Do what looks only, or say why it cannot be done."""
    if action is not None and (why := why_not(screen, action)):
        return replace(screen, message=f"{key} does nothing now: {why}"), ()
    match action:
        case str(way) if way in _MOVES:
            return _moved(screen, way), ()
        case "back" | "quit":
            return _back(screen, action, quit_asked=quit_asked)
        case str(name) if name in _PROMPTS:
            return prompted(screen, _PROMPTS[name]), ()
        case str(name) if name in _STEPS:
            return _STEPS[name](screen)
        case str(name) if name in PAGES:
            return turning.opened(screen, name)
        case str(name) if name in _LOOKS:
            return _LOOKS[name](screen), ()
    return replace(screen, message=f"{key} does nothing here; ? shows the keys"), ()


def _reloaded(screen: Screen) -> Step:
    screen, asked = turning.asked_again(screen)
    return replace(screen, message="asked the engine for a fresh state"), (Fetch(), *asked)


def _focused(screen: Screen, step: int) -> Screen:
    every: tuple[Pane, ...] = get_args(Pane)
    panes = every if screen.zoomed else panes_at(screen.width, screen.height)
    return zooming.focused(screen, panes, step)


def prompted(screen: Screen, kind: Kind) -> Screen:
    """Open a line to type in; a change that has no end yet keeps its place."""
    if screen.bar is not None:
        return replace(screen, message="the last change has no end yet; Esc stops waiting for it")
    text = filtering.text_of(screen) if kind == "/" else ""
    return replace(screen, bar=Prompt(kind, text, len(text)))


def _moved(screen: Screen, way: str) -> Screen:
    if screen.sheets:
        return turning.moved(screen, way)
    if screen.zoomed and screen.focus != "versions":
        return zooming.scrolled(screen, way, *zoomed_room(then_of(screen)))
    return selecting.moved(screen, way)


def _back(screen: Screen, action: str, *, quit_asked: bool) -> Step:
    """Go back one step: from what has no end yet, a filter, a page, a zoom, the last line."""
    if action == "back" and isinstance(screen.bar, Asking | Proving):
        return _given_up(screen), ()
    if action == "back" and filtering.of(screen) is not None:
        return filtering.ended(screen), ()
    if screen.sheets:
        return turning.closed(screen)
    if screen.past is not None:
        return travel.present(screen), ()
    if screen.zoomed:
        return zooming.zoomed(screen), ()
    if action == "back":
        return replace(screen, outcome=None), ()
    if quit_asked:
        return screen, (Quit(),)
    return replace(screen, quit_asked=True, message="press q again to leave"), ()


def _given_up(screen: Screen) -> Screen:
    """Stop watching an unknown or unproven change."""
    match screen.bar:
        case Asking(intent=intent, unknown=why) if why:
            text = f"UNKNOWN whether the {intent.verb} of {intent.model} happened; stopped asking"
            return replace(screen, bar=None, outcome=Outcome("unknown", text))
        case Proving(to=to):
            text = f"UNPROVEN: stopped waiting for predictions by {to}"
            return replace(screen, bar=None, outcome=Outcome("unproven", text))
    return replace(screen, outcome=None)


def copied(screen: Screen) -> Step:
    """Copy the command that does the same as what is shown, and show it too."""
    text = twin_of(screen)
    if not text:
        return replace(screen, message="nothing here has a command that does the same"), ()
    return replace(screen, message=f"copied: {text}"), (Copy(text),)


def twin_of(screen: Screen) -> str:
    """Return the command that did the last change, shows the open page, or the selected version."""
    if screen.sheets:
        subject = screen.sheets[-1].subject
        if place_of(screen) == "output":
            return f"cdml {subject.id}"
        command = next((k.command for k in screen.keys if k.name == subject.page), "")
        names = {"model": subject.model or screen.model, "version": subject.version or "VERSION"}
        return command.format(**names)
    if screen.outcome is not None and screen.last_words:
        return screen.last_words
    if screen.model is None:
        return "cdml status"
    chosen = f" {screen.selected}" if screen.selected else ""
    return f"cdml show {screen.model}{chosen}" if chosen else f"cdml versions {screen.model}"


def _glyphs_switched(screen: Screen) -> Screen:
    return replace(screen, glyphs="ascii" if screen.glyphs == "unicode" else "unicode")


def _theme_switched(screen: Screen) -> Screen:
    themes = get_args(Theme)
    after = themes[(themes.index(screen.theme) + 1) % len(themes)]
    return replace(screen, theme=after, message=f"theme {after}")


_STEPS: dict[str, Callable[[Screen], Step]] = {
    "open": turning.entered,
    "model": turning.model_changed,
    "reload": _reloaded,
    "copy": copied,
    "picture": lambda screen: (screen, (Picture(),)),
    **travel.KEYS,
}
_LOOKS: dict[str, Callable[[Screen], Screen]] = {
    "next_hit": lambda screen: filtering.gone_to(screen, 1),
    "last_hit": lambda screen: filtering.gone_to(screen, -1),
    "next_pane": lambda screen: _focused(screen, 1),
    "last_pane": lambda screen: _focused(screen, -1),
    "glyphs": _glyphs_switched,
    "theme": _theme_switched,
    "mark": selecting.marked,
    "zoom": zooming.zoomed,
    "pause": pausing.paused,
}
