"""Every key of the console, how much it must be meant, and the command that does the same."""

from cdml_tui.keyhelp import KeyHelp
from cdml_tui.panes.line import Line, inert, line, pad, wrapped
from cdml_tui.state import Screen

_CLASSES = {
    "A": "looks",
    "B": "one key; 0.8 s in which any key stops it",
    "C": "then y within 5 s",
    "D": "the version and a reason are typed",
}
_STRENGTH = (
    "B becomes C while the feed is stale or its target was not yet seen for 1 s. Promoting past a "
    "failed gate is D. A change key within 0.12 s of any other key is ignored. A paste never acts."
)
_SIGNS = (
    "!  over its limit          v  measured in validation, before serving",
    "s  asked again on the rows that the champion answered",
    "~  estimated, no labels    --  not known, which is not zero",
    "n  rows a number is made from    ·  a gap in a chart",
)


def help_lines(screen: Screen, width: int) -> list[Line]:
    """Draw every line of the page."""
    lines = [line(("   KEY      DOES", "dim"))]
    for key in screen.keys:
        lines += _one(screen, key, width)
    lines.append(())
    lines += [line((f" {letter}  ", "bold"), text) for letter, text in _CLASSES.items()]
    lines += [
        *(line(f" {text}") for text in wrapped(_STRENGTH, width - 2)),
        (),
        *(line(f" {text}") for text in _SIGNS),
    ]
    return lines


def _one(screen: Screen, key: KeyHelp, width: int) -> list[Line]:
    model, version = screen.model or "MODEL", screen.selected or "VERSION"
    command = inert(key.command.format(model=model, version=version))
    names = " ".join(key.keys)
    way_back = f"   back: {key.way_back}" if key.way_back else ""
    start = line((f" {key.danger} ", "dim"), (pad(names, 9), "key"))
    if not command:
        return [(*start, *line(key.help))]
    if width >= 110:
        return [(*start, *line(pad(key.help, 56)), *line((command + way_back, "dim")))]
    text = key.help
    return [(*start, *line(text)), line(f"   {'':9}", (command + way_back, "dim"))]
