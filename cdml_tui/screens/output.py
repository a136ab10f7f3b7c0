"""What a verb of the command line wrote, to scroll through."""

from collections.abc import Sequence

from cdml_tui.effects import Ran
from cdml_tui.panes.facts import folded
from cdml_tui.panes.line import Line, Span, Style, line, width_of
from cdml_tui.panes.numbers import told
from cdml_tui.screens.page import Body, Page, of_nothing
from cdml_tui.sheet import Sheet
from cdml_tui.state import Screen


def _draw(_: Screen, sheet: Sheet, width: int) -> Body:
    ran: Ran = sheet.value
    rows: list[Line] = []
    for number, text in enumerate(ran.text.splitlines()):
        # The head of a table is in capitals, as every verb writes it.
        style: Style = "dim" if number < 3 and text.isupper() else ""
        rows += [tuple(Span(s.text, style) for s in one) for one in _fitted(text, width)]
    if ran.code:
        rows.append(line((f" ended with exit code {ran.code}", "warn")))
    return Body(rows)


def _fitted(text: str, width: int) -> Sequence[Line]:
    """Keep the columns of a table as they were written; break what else is too long at words."""
    if "  " in text.strip() or width_of(text) < width - 1:
        return folded(text, width)
    return told(text, width, style="dim")


PAGE = Page(
    "output",
    title=lambda subject: f"cdml {' '.join(subject.id.split())}",
    draw=_draw,
    about=of_nothing,
    # Not by the client: the console carries the verb out.
    ask=lambda _client, _subject: None,
    keys=("filter", "copy", "reload"),
    live=False,
    over=True,
)
