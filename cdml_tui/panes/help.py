"""Every key of the console, how much it must be meant, and the command that does the same."""

from dataclasses import replace

from cdml_tui.keyhelp import KeyHelp
from cdml_tui.panes.line import Line, inert, line, pad, wrapped
from cdml_tui.reach import BASE, is_viewer, why_not
from cdml_tui.state import Screen

_CLASSES = {
    "A": "looks",
    "B": "one key; 0.8 s in which any key stops it",
    "C": "then y within 5 s",
    "D": "the version and a reason are typed",
    "E": "no way back: only by : and the model's name typed",
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


def help_lines(screen: Screen, width: int, place: str = BASE) -> list[Line]:
    """Draw every line of the page, for the place that it was opened on."""
    # What a key would do is said of the screen below this page.
    below = replace(screen, sheets=screen.sheets[:-1])
    lines = [line(("   KEY       DOES", "dim"))]
    if is_viewer(screen):
        lines.append(line((" Your role here is viewer: no key that changes is bound.", "warn")))
    here = [k for k in screen.keys if not k.on or place in k.on or "filtered" in k.on]
    own = [k for k in here if place in k.on or k.name == place]
    for key in (*own, *(k for k in here if k not in own)):
        lines += _one(below, key, width)
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
    way_back = f"   back: {key.way_back}" if key.way_back else ""
    # On a page a change key may act on what is selected; the page says that when it is pressed.
    why = "" if screen.sheets and key.danger != "A" else why_not(screen, key.name)
    start = line((f" {key.danger} ", "dim"), (pad(" ".join(key.keys), 10), "dim" if why else "key"))
    if width >= 110 and command:
        lines = [(*start, *line(pad(key.help, 60)), *line((command + way_back, "dim")))]
    else:
        lines = [(*start, *line(key.help))]
        lines += [line(f"   {'':10}", (command + way_back, "dim"))] if command else []
    if why:
        lines += [line(f"   {'':10}", (f"not now: {t}", "warn")) for t in [inert(why)]]
    return lines
