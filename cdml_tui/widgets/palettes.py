"""The colours of every theme. Each meaning is also in the words and signs beside it."""

from dataclasses import replace

from rich.style import Style as RichStyle
from textual.theme import BUILTIN_THEMES, Theme

from cdml_tui.panes.line import Style

Palette = dict[Style, RichStyle]

# The terminal's own sixteen colours.
_DARK: Palette = {
    "": RichStyle(),
    "dim": RichStyle(dim=True),
    "bold": RichStyle(bold=True),
    "good": RichStyle(color="green"),
    "warn": RichStyle(color="yellow"),
    "bad": RichStyle(color="red", bold=True),
    "title": RichStyle(color="cyan"),
    "key": RichStyle(bold=True, underline=True),
    "alarm": RichStyle(bold=True, reverse=True),
}
# Yellow and cyan cannot be read on white.
_LIGHT = _DARK | {"warn": RichStyle(color="magenta"), "title": RichStyle(color="blue")}
_CONTRAST = _DARK | {
    "dim": RichStyle(),
    "good": RichStyle(bold=True),
    "warn": RichStyle(bold=True, underline=True),
    "bad": RichStyle(bold=True, reverse=True),
    "title": RichStyle(bold=True),
}
# Blue and yellow are told apart by nearly everybody, green and red are not.
_BLUE_YELLOW = _DARK | {
    "good": RichStyle(color="bright_blue"),
    "bad": RichStyle(color="bright_yellow", bold=True, underline=True),
}
# Okabe and Ito's colours, with twenty-four bits each: more bytes for every change.
_TRUECOLOR = _DARK | {
    "good": RichStyle(color="#009e73"),
    "warn": RichStyle(color="#e69f00"),
    "bad": RichStyle(color="#d55e00", bold=True),
    "title": RichStyle(color="#56b4e9"),
}
_NO_COLOUR = _DARK | {
    "good": RichStyle(),
    "warn": RichStyle(),
    "bad": RichStyle(bold=True),
    "title": RichStyle(),
}

_PALETTES = {
    "ansi-dark": _DARK,
    "ansi-light": _LIGHT,
    "high-contrast": _CONTRAST,
    "colour-blind": _BLUE_YELLOW,
    "truecolor": _TRUECOLOR,
}


def palette(theme: str, *, no_colour: bool) -> Palette:
    """Return the colours of a theme; under NO_COLOR none has any."""
    return _NO_COLOUR if no_colour else _PALETTES.get(theme, _DARK)


def own_themes() -> list[Theme]:
    """Return what Textual must know of our themes: the background is the terminal's in all."""
    known = BUILTIN_THEMES["ansi-dark"]
    return [replace(known, name=name) for name in _PALETTES if name not in BUILTIN_THEMES]
