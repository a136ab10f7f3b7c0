"""Checks of a gate and lines of a comparison: a picture of the interval, then the numbers."""

from cdml_tui.panes.figures import count, figure, metric_word
from cdml_tui.panes.line import Line, Style, ends, inert, line, wrapped
from cdml_tui.panes.numbers import signed
from cdml_tui.state import Glyphs
from engine import wire

_WORDS: dict[str, tuple[str, Style]] = {
    "pass": ("ok", "good"),
    "fail": ("FAIL", "bad"),
    "inconclusive": ("open", "warn"),
    "observed": ("", ""),
}
_FROM, _LEAST, _MOST = 60, 12, 32


def checks(found: list[wire.Check], width: int, glyphs: Glyphs) -> list[Line]:
    """Draw every check, what stands in the way first."""
    order = {"fail": 0, "inconclusive": 1, "observed": 2, "pass": 2}
    lines: list[Line] = []
    for check in sorted(found, key=lambda c: order[c.verdict]):
        lines += _check(check, width, glyphs)
    return lines


def _check(check: wire.Check, width: int, glyphs: Glyphs) -> list[Line]:
    word, style = _WORDS[check.verdict]
    start = line((f" {word:<5}", style), (inert(check.name), "bold"))
    room = min(_MOST, width // 4) if width >= _FROM else 0
    zero = check.threshold if check.verdict != "observed" else 0.0
    drawn = span(check, zero, room, glyphs) or _filled(check, room, glyphs)
    head = ends(start, line((f" {drawn} ", style)), width) if drawn else start
    return [head, *(line(f"      {t}") for t in wrapped(numbers(check), max(1, width - 7)))]


def numbers(check: wire.Check) -> str:
    """Write value, interval, limit and n of a check, and what it says of itself."""
    parts = [f"{value(check)} {inert(metric_word(check.unit))}".rstrip()]
    if check.threshold is not None:
        parts.append(f"limit {_small(check.threshold)}")
    parts.append(f"n {count(check.n)}")
    if check.needed:
        more = check.needed - check.n
        parts.append(f"about {count(check.needed)} needed" + (f", {count(more)} more" * (more > 0)))
    return ", ".join(parts) + (f"; {inert(check.text)}" if check.text else "")


def value(check: wire.Check) -> str:
    """Write a value, a difference with its sign and interval."""
    if check.value is None:
        return "not measured"
    if check.low is None or check.high is None:
        return _small(check.value)
    return f"{signed(check.value)} [{signed(check.low)}, {signed(check.high)}]"


def _small(number: float) -> str:
    return f"{number:.0e}" if 0 < abs(number) < 0.0005 else figure(number)


Axis = tuple[float, float]


def span(
    check: wire.Check, zero: float | None, width: int, glyphs: Glyphs, axis: Axis | None = None
) -> str:
    """Draw value and interval on a line, and where the limit is; nothing without an interval.

    Without an axis the line is as long as what is drawn on it.
    """
    value, low, high = check.value, check.low, check.high
    if width < _LEAST or zero is None or value is None or low is None or high is None:
        return ""
    first, last = axis or (min(low, zero, value), max(high, zero, value))
    whole = (last - first) or 1.0
    unicode = glyphs == "unicode"

    def at(v: float) -> int:
        return round(min(1.0, max(0.0, (v - first) / whole)) * (width - 1))

    cells = [" "] * width
    for i in range(at(low), at(high) + 1):
        cells[i] = "─" if unicode else "-"
    cells[at(low)], cells[at(high)] = ("├", "┤") if unicode else ("[", "]")
    cells[at(zero)] = "┃" if unicode else "|"
    cells[at(value)] = "●" if unicode else "o"
    return "".join(cells)


def _filled(check: wire.Check, width: int, glyphs: Glyphs) -> str:
    """Draw how much of what is allowed a value takes; what is checked so must stay below."""
    if width < _LEAST or check.value is None or not check.threshold or check.threshold < 0:
        return ""
    full, empty, end = ("█", "·", "┃") if glyphs == "unicode" else ("#", ".", "|")
    taken = round(min(1.0, max(0.0, check.value / check.threshold)) * (width - 1))
    return full * taken + empty * (width - 1 - taken) + end


def legend(of: str, width: int, glyphs: Glyphs) -> list[Line]:
    """Say what the signs of these pictures mean."""
    signs = "●├─┤┃" if glyphs == "unicode" else "o[-]|"
    text = f"{signs[0]} value {signs[1:4]} 95 % interval {signs[4]} {of}"
    return [line((f" {t}", "dim")) for t in wrapped(text, max(1, width - 2))]
