"""Watched numbers over time: a bar chart in text, the last value, its limit and its n."""

from cdml_tui.panes.figures import count, figure, metric_word, sparkline
from cdml_tui.panes.line import EMPTY, Line, Span, Style, fit, inert, lead, line, pad, title
from cdml_tui.state import Screen, model_of, moment
from engine import wire

_NAME = 9
_TAIL = 6 + 1 + 8 + 6
QUIET = {"acknowledged": "a", "muted": "m"}


def signals(screen: Screen, width: int, height: int) -> list[Line]:
    """Draw one line per signal, those over their limit first."""
    model = model_of(screen)
    rows = model.signals if model else []
    head = title("Signals", width, _window(rows), "2")
    if not rows:
        why = "no model" if model is None else "nothing measured yet; a check fills this"
        return [head, line((f" {why}", "dim"))][:height]
    urgent = sorted(rows, key=lambda s: (not s.breached, s.alert in QUIET))
    return [head, *(_row(s, width) for s in urgent)][:height]


def _window(rows: list[wire.Signal]) -> Line:
    """Say which time the charts span; the widest one counts."""
    longest = max(rows, key=lambda s: len(s.times), default=None)
    if longest is None or len(longest.times) < 2:
        return EMPTY
    first, last = moment(longest.times[0]), moment(longest.times[-1])
    if first is None or last is None:
        return EMPTY
    form = "%H:%M" if first.date() == last.date() else "%m-%d"
    text = f"{first:{form}} to {last:{form}} "
    return line((text, "dim"))


def _row(signal: wire.Signal, width: int) -> Line:
    unit = f" {inert(signal.unit)}" if width >= 60 else ""
    bars = max(4, min(width - _NAME - _TAIL - 4 - 16 * bool(unit), 60))
    style: Style = ("dim" if signal.alert in QUIET else "bad") if signal.breached else ""
    mark = "~" if signal.kind == "estimated" else ""
    chart = sparkline(signal.values, bars, signal.limit)
    return fit(
        (
            Span(" " + pad(inert(metric_word(signal.name)) + mark, _NAME), style or "bold"),
            Span(chart + " ", style or "dim"),
            Span(lead(figure(signal.last), 5) + _mark(signal), style),
            Span(" " + pad(_limit(signal), 8), style or "dim"),
            Span(lead(f"n{count(signal.n)}" if signal.last is not None else "", 6), "dim"),
            Span(unit, "dim"),
        ),
        width,
    )


def _mark(signal: wire.Signal) -> str:
    """Mark what is over its limit: "!" of an alert, "a" and "m" of a quiet one, "?" not yet one."""
    if signal.alert in QUIET:
        return QUIET[signal.alert]
    return " " if not signal.breached else "!" if signal.alert else "?"


def _limit(signal: wire.Signal) -> str:
    if signal.limit is not None:
        return f"lim {figure(signal.limit)}"
    return inert(signal.limit_text) or "no limit"
