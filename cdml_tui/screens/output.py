"""What a verb of the command line wrote, to scroll through."""

from cdml_tui.effects import Ran
from cdml_tui.panes.line import Line, Style, inert, line, wrapped
from cdml_tui.screens.page import Body, Page, of_nothing
from cdml_tui.sheet import Sheet
from cdml_tui.state import Screen


def _draw(_: Screen, sheet: Sheet, width: int) -> Body:
    ran: Ran = sheet.value
    rows: list[Line] = []
    for number, text in enumerate(ran.text.splitlines()):
        # The head of a table is in capitals, as every verb writes it.
        style: Style = "dim" if number < 3 and text.isupper() else ""
        rows += [line((f" {t}", style)) for t in _folded(text, width - 1)]
    if ran.code:
        rows.append(line((f" ended with exit code {ran.code}", "warn")))
    return Body(rows)


def _folded(text: str, width: int) -> list[str]:
    """Keep the columns of what fits; fold what does not."""
    text = inert(text)
    return [text] if len(text) <= width else wrapped(text, width)


PAGE = Page(
    "output",
    title=lambda subject: f"cdml {subject.id}",
    draw=_draw,
    about=of_nothing,
    # Not by the client: the console carries the verb out.
    ask=lambda _client, _subject: None,
    keys=("filter", "copy", "reload"),
    live=False,
    over=True,
)
