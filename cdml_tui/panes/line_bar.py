"""The line being typed at the bottom, with what it may become above it."""

from cdml_tui.palette import found
from cdml_tui.panes.line import (
    EMPTY,
    Line,
    Span,
    Style,
    cut,
    ends,
    fit,
    inert,
    line,
    pad,
    width_of,
    wrapped,
)
from cdml_tui.prompt import Prompt
from cdml_tui.state import Screen

_LISTED = 8
_HINTS = {
    ":": "a verb of cdml; Tab completes, Up is the line before, Esc leaves",
    "/": "a pattern; ! before it shows the other rows; Enter filters, Esc leaves",
    "note": "why the last change was made; the audit or the open incident keeps it; Esc leaves",
    "palette": "letters of an action; Up and Down select, Enter does it, Esc leaves",
}
_NAMES = {":": ":", "/": "/", "note": "why: ", "palette": "find: "}


def line_rows(screen: Screen, prompt: Prompt, width: int) -> int:
    """Return how many lines it takes."""
    return len(_above(screen, prompt, width)) + 1


def prompt_lines(screen: Screen, prompt: Prompt, width: int, height: int) -> list[Line]:
    """Draw it; the line itself is the last and is never hidden."""
    above = _above(screen, prompt, width)[-max(0, height - 1) :] if height > 1 else []
    return [*(fit(one, width) for one in above), _typed(prompt, width)]


def _typed(prompt: Prompt, width: int) -> Line:
    """Draw the text around the cursor, which always is in view."""
    name = f" {_NAMES[prompt.kind]}"
    room = max(1, width - width_of(name) - 1)
    text, at = inert(prompt.text), prompt.at
    start = max(0, at - room + 1)
    under = text[at : at + 1] or " "
    shown = (
        Span(name, "key"),
        Span(text[start:at], "bold"),
        Span(under, "alarm"),
        Span(cut(text[at + 1 :], max(0, room - (at - start) - 1)), "bold"),
    )
    return ends(shown, EMPTY, width)


def _above(screen: Screen, prompt: Prompt, width: int) -> list[Line]:
    if prompt.kind == "palette":
        return _actions(screen, prompt, width)
    said = prompt.said or _HINTS[prompt.kind]
    style: Style = "warn" if prompt.said else "dim"
    return [line((f" {t}", style)) for t in wrapped(inert(said), width - 2)[:_LISTED]]


def _actions(screen: Screen, prompt: Prompt, width: int) -> list[Line]:
    """Draw the actions found, each with its key and the command that does the same."""
    rows, room = found(screen.keys, prompt.text), max(1, min(_LISTED, screen.height - 4))
    first = max(0, min(prompt.picked - room + 1, len(rows) - room))
    lines: list[Line] = []
    for number, row in enumerate(rows[first : first + room], first):
        names = {"model": screen.model or "MODEL", "version": screen.selected or "VERSION"}
        command = inert(row.command.format(**names))
        mark = Span(" > " if number == prompt.picked else "   ", "bold")
        text = line((pad(row.keys[0], 9), "key"), pad(row.help, max(20, width - 46)), " ")
        lines.append((mark, *text, Span(command, "dim")))
    said = prompt.said or (_HINTS["palette"] if rows else "no action is called that; Esc leaves")
    style: Style = "warn" if prompt.said or not rows else "dim"
    return [*lines, line((f" {said}", style))]
