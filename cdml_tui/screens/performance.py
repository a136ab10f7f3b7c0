"""Performance: each metric and KPI over time, realised, estimated and forecast, with its limit."""

from dataclasses import dataclass
from typing import Literal

from cdml_tui.client import Client
from cdml_tui.panes.chart import Picture, Point, Series, chart, legend
from cdml_tui.panes.figures import count, figure, metric_word, span_of
from cdml_tui.panes.line import EMPTY, Line, Span, inert, line, title
from cdml_tui.panes.numbers import aligned, day, days, interval, placed, table, told
from cdml_tui.screens.page import WIDE, Body, Page
from cdml_tui.sheet import Sheet, Subject
from cdml_tui.state import Screen, decision_now, model_named, moment
from engine import wire

SERVED = "served"
TALLEST, FEWEST = 13, 6
SHORT = 12


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page asks for."""

    performance: wire.Performance
    forecast: wire.ForecastAnswer
    kpi: wire.KpiAnswer


def _ask(client: Client, subject: Subject) -> Answer:
    model = subject.model or ""
    return Answer(client.performance(model), client.forecast(model), client.kpi(model))


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    answer: Answer = sheet.value
    names = _names(answer)
    if not names:
        return Body(_nothing(answer, width))
    columns = 2 if width >= WIDE else 1
    each = (width - 3 * (columns - 1)) // columns
    blocks = [_metric(screen, answer, name, each) for name in names]
    last = [*_calibration(answer, each), *_windows(answer, names, each)]
    return Body(placed([*blocks, last], columns, each, width))


def _nothing(answer: Answer, width: int) -> list[Line]:
    why = (
        "Nothing is measured yet: performance needs predictions whose labels have come. "
        "Send requests to the prediction service, deliver labels with cdml labels FILE, then "
        "cdml monitor measures now; the schedule does it else."
    )
    return [
        *told(why, width),
        *(one for said in answer.performance.streams for one in told(said, width)),
    ]


def _names(answer: Answer) -> list[str]:
    """Return the metrics and KPIs there is anything of: the model's metric first, then KPIs."""
    main = answer.performance.metric
    kpis = [page.name for page in answer.kpi.kpis]
    there = [name for p in answer.performance.periods for name in (*p.metrics, *p.kpi)]
    there += [w.name for w in answer.performance.windows]
    there += [e.name for e in answer.performance.estimates]
    return sorted(dict.fromkeys(there), key=lambda n: (n != main, n not in kpis, n))


# ---------------------------------------------------------------- one metric


def _metric(screen: Screen, answer: Answer, name: str, width: int) -> list[Line]:
    """Draw one metric: its picture, then its numbers."""
    picture = _picture(screen, answer, name)
    height = max(FEWEST, min(TALLEST, screen.height - 12))
    unit = next((k.unit for k in answer.kpi.kpis if k.name == name), "")
    head = title(
        inert(metric_word(name)), width, line((f"{inert(unit)} ", "dim")) if unit else EMPTY
    )
    drawn = chart(picture, width, height, screen.glyphs)
    if not drawn:
        drawn = told("No value yet: too few rows with labels in every window so far.", width)
    said = legend(picture, width, screen.glyphs)
    shown = [*said, *drawn] if screen.height >= SHORT else [*drawn, *said]
    return [head, *shown, *_numbers(screen, answer, name, width), ()]


def _picture(screen: Screen, answer: Answer, name: str) -> Picture:
    realised = _realised(answer.performance, name)
    estimates = [e for e in answer.performance.estimates if e.name == name]
    ahead = [f for f in answer.forecast.rows if f.name == name]
    limit, bad = _limit(screen, answer, name)
    breach = next(
        (moment(f.made_of.breach_expected) for f in ahead if f.made_of.breach_expected), None
    )
    last = next((v for e in estimates if (v := _expert(e.made_of.experts)) is not None), None)
    ends = [e.to for e in estimates] + [f.to for f in ahead if f.value is not None]
    persists = [(moment(to), last) for to in ends]
    return Picture(
        [
            Series("realised", "●", "o", realised, joined=True),
            Series("forecast", "○", "f", _points(ahead), style="title"),
            Series("estimated", "~", "~", _points(estimates)),
            Series("persistence", "p", "p", [Point(t, v) for t, v in persists if t], style="dim"),
        ],
        limit,
        bad,
        decision_now(screen) if realised or estimates else None,
        breach,
    )


def _realised(found: wire.Performance, name: str) -> list[Point]:
    """Return the values of each look as it was served; without looks those of the windows."""
    looks = [p for p in found.periods if p.version == SERVED]
    by_look = [(moment(p.to), {**p.metrics, **p.kpi}.get(name)) for p in looks]
    if any(value is not None for _, value in by_look):
        return [Point(at, value) for at, value in by_look if at]
    windows = [(moment(w.to), w.value) for w in found.windows if w.name == name]
    return [Point(at, value) for at, value in windows if at]


def _points(rows: list[wire.EstimateRow] | list[wire.ForecastRow]) -> list[Point]:
    timed = [(moment(r.to), r) for r in rows]
    return [Point(at, r.value, r.low, r.high) for at, r in timed if at]


def _expert(experts: list[wire.Expert]) -> float | None:
    return next((x.value for x in experts if x.name == "persistence"), None)


def _limit(
    screen: Screen, answer: Answer, name: str
) -> tuple[float | None, Literal["above", "below", ""]]:
    """Return the limit of a metric or KPI, and on which side of it a value is bad."""
    for page in answer.kpi.kpis:
        if page.name == name:
            return page.limit, "below" if page.direction == "maximize" else "above"
    limits = [f.made_of.limit for f in answer.forecast.rows if f.name == name]
    model = model_named(screen, answer.performance.model)
    if model is None or name != model.metric:
        return (limits[0] if limits else None), ""
    return (limits[0] if limits else None), "below" if model.higher_is_better else "above"


def _numbers(screen: Screen, answer: Answer, name: str, width: int) -> list[Line]:
    """Write the newest value of each kind with its n, its time, and what it is made of."""
    rows = [("realised", _last_realised(screen, answer, name))]
    for e in answer.performance.estimates:
        if e.name == name:
            rows.append(("estimated", _estimate_text(e)))
            rows.append(("persistence", _persistence_text(e)))
    rows.append(("forecast", _forecast_text(answer, name)))
    for page in answer.kpi.kpis:
        if page.name == name:
            rows += _kpi_facts(page)
    return aligned(rows, width)


def _last_realised(screen: Screen, answer: Answer, name: str) -> str:
    looks = [p for p in answer.performance.periods if p.version == SERVED]
    last = next((p for p in reversed(looks) if {**p.metrics, **p.kpi}.get(name) is not None), None)
    if last is None:
        return "not yet: labels are still to come"
    value = {**last.metrics, **last.kpi}[name]
    sure = interval(last.low, last.high) if name == answer.performance.metric else ""
    late = _lag(screen, last.to)
    parts = [figure(value), sure, f"n {count(last.n)}", days(last.from_, last.to), late]
    limit, bad = _limit(screen, answer, name)
    if limit is not None and value is not None and bad:
        over = value > limit if bad == "above" else value < limit
        parts.append(f"BEYOND the limit {figure(limit)}" if over else f"limit {figure(limit)}")
    return ", ".join(p for p in parts if p)


def _lag(screen: Screen, until: str) -> str:
    """Say how far behind now the labels are."""
    then, now = moment(until), decision_now(screen)
    if then is None or now is None or then > now:
        return ""
    return f"labels reach to {span_of((now - then).total_seconds())} ago"


def _estimate_text(e: wire.EstimateRow) -> str:
    if e.value is None:
        return e.made_of.missing or "not yet"
    parts = [figure(e.value), interval(e.low, e.high), f"n {count(e.n)}", days(e.from_, e.to)]
    parts.append("before labels")
    if e.made_of.coverage is not None:
        parts.append(f"{e.made_of.coverage:.0%} of {e.made_of.windows} such intervals held")
    return ", ".join(p for p in parts if p)


def _persistence_text(e: wire.EstimateRow) -> str:
    value = _expert(e.made_of.experts)
    return "" if value is None else f"{figure(value)}, the last realised value, carried on"


def _forecast_text(answer: Answer, name: str) -> str:
    rows = [f for f in answer.forecast.rows if f.name == name]
    known = [f for f in rows if f.value is not None]
    if not known:
        why = next((f.made_of.missing for f in rows if f.made_of.missing), "")
        return why or answer.forecast.missing or "none"
    last = known[-1]
    parts = [figure(last.value), interval(last.low, last.high), f"by {day(last.to)}"]
    parts.append(f"from {last.n} windows")
    breach = next((f.made_of.breach_expected for f in rows if f.made_of.breach_expected), None)
    if breach:
        parts.append(f"BREACH expected by {day(breach)}")
    elif last.made_of.p_breach is not None:
        parts.append(f"chance of a breach by then {last.made_of.p_breach:.0%}")
    if last.made_of.coverage is not None:
        parts.append(f"{last.made_of.coverage:.0%} of {last.made_of.windows} such intervals held")
    return ", ".join(p for p in parts if p)


def _kpi_facts(page: wire.KpiPage) -> list[tuple[str, str]]:
    last = next((w for w in reversed(page.windows) if w.served is not None), None)
    rows = [("weights", f"your assumptions: {page.sql.strip()}"), ("fault", page.fault)]
    if last is not None:
        always = f"never act {figure(last.never_act)}, always act {figure(last.always_act)}"
        rows.append(("instead", f"{always}, n {count(last.n)}, {days(last.from_, last.to)}"))
    if page.promise is not None:
        rows.append(("promise", f"{figure(page.promise)} of {page.promised_by} in validation"))
    return rows


# ---------------------------------------------------------------- below the pictures


def _calibration(answer: Answer, width: int) -> list[Line]:
    found = answer.performance.calibration
    lines = [title("Calibration of the champion, realised", width)] if found else []
    for c in found:
        means = (
            f"answered {figure(c.means.answered)}, happened {figure(c.means.happened)}"
            if c.means
            else ""
        )
        text = ", ".join(
            t
            for t in (
                figure(c.value),
                interval(c.low, c.high),
                f"n {count(c.n)}",
                days(c.from_, c.to),
                means,
            )
            if t
        )
        lines += aligned([(f"{c.name} {inert(c.version)}", text)], width)
    for said in answer.performance.streams:
        lines += told(said, width)
    return [*lines, ()] if lines else []


def _windows(answer: Answer, names: list[str], width: int) -> list[Line]:
    """Draw the windows that lie side by side, newest first; n and interval of the main metric."""
    by: dict[tuple[str, str], dict[str, wire.Window]] = {}
    for w in answer.performance.windows:
        by.setdefault((w.from_, w.to), {})[w.name] = w
    if not by:
        return []
    main = answer.performance.metric
    rows: list[list[str | Span]] = []
    for span, found in sorted(by.items(), key=lambda item: item[0], reverse=True):
        lead = found.get(main) or next(iter(found.values()))
        values = [figure(found[n].value) if n in found else "--" for n in names]
        rows.append([days(*span), *values, interval(lead.low, lead.high) or "--", count(lead.n)])
    heads = [
        "WINDOW",
        *(metric_word(n).upper() for n in names),
        f"{metric_word(main).upper()} 95 %",
        "N",
    ]
    return [title("Windows side by side, realised, as served", width), *table(heads, rows, width)]


PAGE = Page(
    "performance",
    title=lambda subject: f"Performance of {subject.model}",
    draw=_draw,
    ask=_ask,
    rest_s=10.0,
)
