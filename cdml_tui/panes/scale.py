"""Round numbers and moments for the axes of a chart, and how they are written."""

import math
from datetime import UTC, datetime, timedelta

from cdml_tui.panes.figures import figure

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_TIMES = (
    *(_HOUR * n for n in (1, 2, 3, 6, 12)),
    *(_DAY * n for n in (1, 2, 7, 14, 28, 56, 91, 182, 365, 730)),
)
LONGEST = 9
_ROUND = (1, 2, 2.5, 5, 10)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most `most` + 1 round values that enclose a range; one value gets room around."""
    if high - low < 1e-9 * max(abs(high), abs(low), 1e-9):
        room = abs(high) * 0.1 or 1.0
        low, high = low - room, high + room
    raw = (high - low) / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in _ROUND if power * m >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [n * step for n in range(first, max(last, first + 1) + 1)]


def label(value: float, step: float) -> str:
    """Write a value of an axis with as many decimals as its step needs."""
    if abs(value) >= 9_999.5 or step >= 1000:
        return figure(value)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if decimals < LONGEST and step * 10**decimals % 1 > 1e-6:
        decimals += 1
    text = f"{value:.{decimals}f}" if decimals < LONGEST else f"{value:.1e}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and decimals and value else text


def moments(since: datetime, until: datetime, most: int) -> list[tuple[datetime, str]]:
    """Return round moments that divide a time into at most `most` parts, and their names."""
    span = until - since
    step = next((s for s in _TIMES if span / s <= max(1, most)), _TIMES[-1])
    at = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if step >= _DAY:
        at = at.replace(hour=0)
    else:
        at -= timedelta(hours=at.hour % max(1, step // _HOUR))
    form = "%H:%M" if step < _DAY else "%m-%d" if span < 300 * _DAY else "%Y-%m"
    found = []
    while at <= until:
        if at >= since:
            found.append((at, f"{at:{form}}"))
        at += step
    return found
