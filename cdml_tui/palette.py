"""Finding an action by some letters of what it is called. Pure."""

from cdml_tui.keyhelp import KeyHelp


def found(keys: tuple[KeyHelp, ...], text: str) -> list[KeyHelp]:
    """Return the actions whose name, key or help has the letters of a text in this order.

    Without letters those that only look come first: Enter must change nothing by default.
    """
    letters = text.lower().replace(" ", "")
    fits = [(far, k) for k in keys if (far := _far(letters, k)) is not None]
    if not letters:
        fits = [(k.danger != "A", k) for _, k in fits]
    return [k for _, k in sorted(fits, key=lambda pair: pair[0]) if k.name != "palette"]


def _far(letters: str, row: KeyHelp) -> int | None:
    """Say how far apart the letters stand in what an action is called; None where some are not."""
    best: int | None = None
    for worse, text in enumerate((row.name, row.short, row.help)):
        at, first = -1, None
        for letter in letters:
            at = text.lower().find(letter, at + 1)
            if at < 0:
                break
            first = at if first is None else first
        else:
            far = worse * 1000 + (at - (first or 0)) * 10 + (first or 0)
            best = far if best is None else min(best, far)
    return best
