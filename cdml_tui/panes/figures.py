"""Numbers and times as the panes write them. What is not known is "--", never 0."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cdml_tui.state import moment

NONE = "--"
_METRIC_WORDS = {
    "log_loss": "logloss",
    "brier_score_loss": "brier",
    "roc_auc_score": "auc",
    "accuracy_score": "acc",
    "mean_absolute_error": "mae",
    "root_mean_squared_error": "rmse",
}
_LEVELS = "▁▂▃▄▅▆▇█"


def metric_word(name: str) -> str:
    """Return the short name of a metric; any other name stays as it is."""
    return _METRIC_WORDS.get(name, name)


def figure(value: float | None) -> str:
    """Write a number in at most six columns."""
    if value is None:
        return NONE
    size = abs(value)
    if size >= 9_999.5:
        return count(round(value))
    if size >= 99.95:
        return f"{value:.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    if size >= 0.9995:
        return f"{value:.2f}"
    # What rounds to nothing has no sign: -.000 would look like less than nothing.
    sign = "-" if value < 0 and size >= 0.0005 else ""
    return f"{sign}{size:.3f}".replace("0.", ".", 1) if size else "0"


def count(n: int | None) -> str:
    """Write a count in at most five columns."""
    if n is None:
        return NONE
    for limit, divisor, unit in ((1e4, 1, ""), (1e6, 1e3, "k"), (1e9, 1e6, "M")):
        if abs(n) < limit:
            return f"{n / divisor:.0f}{unit}"
    return f"{n / 1e9:.0f}G" if abs(n) < 1e13 else f"{float(n):.0e}"


def percent(share_pct: float) -> str:
    """Write a share."""
    return f"{share_pct:.0f}%" if share_pct == round(share_pct) else f"{share_pct:.1f}%"


def span_of(seconds: float) -> str:
    """Write a duration in its largest unit."""
    seconds = max(0.0, seconds)
    day, year = 86_400, 31_557_600
    units = ((1, "s", 120), (60, "m", 7200), (3600, "h", 2 * day), (day, "d", 1000 * day))
    for unit, name, limit in units:
        if seconds < limit:
            return f"{seconds / unit:.0f}{name}"
    return f"{seconds / year:.0f}y"


def age(text: str | None, now: datetime | None) -> str:
    """Write how long ago something was."""
    then = moment(text)
    return NONE if then is None or now is None else span_of((now - then).total_seconds())


def clock(text: str | None, now: datetime | None) -> str:
    """Write a time of day, with its date where that is not today's."""
    then = moment(text)
    if then is None:
        return NONE
    near = now is not None and abs(now - then) < timedelta(days=1) and now.date() == then.date()
    return f"{then:%H:%M}" if near else f"{then:%m-%d %H:%M}"


def sparkline(values: Sequence[float | None], width: int, limit: float | None = None) -> str:
    """Draw the latest values as bars; the limit is part of the scale, a gap stays a gap."""
    recent = list(values)[-width:] if width > 0 else []
    known = [v for v in recent if v is not None]
    if not known:
        return " " * width
    scale = [*known, limit] if limit is not None else known
    low, high = min(scale), max(scale)
    # Noise of a steady number must not look like a storm.
    room = max(high - low, abs(high) * 0.02, 1e-12)
    wide = max(1, min(4, width // len(recent)))
    bars = "".join(
        wide * ("·" if v is None else _LEVELS[min(7, int((v - low) / room * 7.999))])
        for v in recent
    )
    return bars.rjust(width)


def bar_of(value: float, full: float, width: int) -> str:
    """Draw one value as a bar."""
    filled = 0 if full <= 0 else round(min(1.0, max(0.0, value / full)) * width)
    return "█" * filled
