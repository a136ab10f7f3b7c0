"""All models, a row each: who serves, how well, what threatens, what happens next."""

from dataclasses import dataclass

from cdml_tui.client import Client
from cdml_tui.panes.chart import Picture, Point, Series, chart, legend
from cdml_tui.panes.figures import NONE, clock, figure, metric_word, span_of
from cdml_tui.panes.line import Line, Span, block, cut, inert, line, title
from cdml_tui.panes.numbers import aligned, day, placed, table
from cdml_tui.screens.page import WIDE, Body, Page, of_nothing
from cdml_tui.sheet import BASE, Sheet, Subject
from cdml_tui.state import Screen, decision_now, moment, running_of, running_text
from engine import wire

_NAMED, _NARROW = 14, 60
# Lines around the list: header, title, heads, what is said, keys.
_AROUND, _LISTED, _FEWEST, _TALLEST = 6, 8, 6, 20
_HEADS = (
    *("MODEL", "STATE", "CHAMP", "METRIC ", "LIMIT", "DRIFT", "ALERTS"),
    *("FORECAST", "ROLLOUT", "AGE", "NEXT"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page asks for beside the state: rollouts in a word, and forecasts."""

    status: wire.Status
    forecasts: dict[str, wire.ForecastAnswer]


def _ask(client: Client, _: Subject) -> Answer:
    status = client.status()
    return Answer(status, {m.model: client.forecast(m.model) for m in status.models})


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    answer: Answer = sheet.value
    models = _models(screen)
    if not models:
        why = "no model in this workspace; write one into cdml.toml, then cdml reload"
        return Body([line((f" {why}", "dim"))])
    rows = [_row(screen, answer, m, width) for m in models]
    gap = 2 if width >= WIDE else 1
    head, *lines = table(_HEADS, rows, width, left=3, gap=gap)
    chosen = models[min(sheet.cursor, len(models) - 1)]
    return Body(lines, (head,), True, _foot(screen, answer, chosen, width))


def _models(screen: Screen) -> list[wire.ModelState]:
    return list(screen.snapshot.models) if screen.snapshot else []


def _row(screen: Screen, answer: Answer, model: wire.ModelState, width: int) -> list[str | Span]:
    signal = _signal(model)
    over = signal is not None and signal.breached
    value = f"{figure(signal.last) if signal else NONE}{'!' if over else ' '}"
    firing = sum(a.state == "firing" for a in model.alerts)
    incident = f" INC {model.incident}" if model.incident is not None else ""
    return [
        Span(cut(inert(model.model), _NAMED if width >= _NARROW else _NAMED // 2), "bold"),
        Span("BREACH", "bad") if model.breach else Span("ok", "good"),
        inert(model.champion or "nobody"),
        Span(f"{inert(metric_word(model.metric))} {value}", "bad" if over else ""),
        figure(signal.limit) if signal and signal.limit is not None else "none",
        _drift(model),
        Span(f"{firing}{incident}", "warn" if firing or incident else ""),
        _breach(answer, model.model),
        _rollout(answer, model),
        _trained(model),
        _next(screen, model),
    ]


def _signal(model: wire.ModelState) -> wire.Signal | None:
    return next((s for s in model.signals if s.name == model.metric), None)


def _trained(model: wire.ModelState) -> str:
    age = model.trained_age_days
    return span_of(age * 86_400) if age is not None else NONE


def _next(screen: Screen, model: wire.ModelState) -> str:
    then, now = moment(model.next_check), decision_now(screen)
    return f"in {span_of((then - now).total_seconds())}" if then and now else NONE


# ---------------------------------------------------------------- the one stood on


def _foot(screen: Screen, answer: Answer, model: wire.ModelState, width: int) -> tuple[Line, ...]:
    """Draw the model under the cursor, where there is room: its metric over time, then words."""
    rows = screen.height - _AROUND - min(len(_models(screen)), _LISTED)
    if rows < _FEWEST:
        return ()
    columns = 2 if width >= WIDE else 1
    each = (width - 3 * (columns - 1)) // columns
    words = aligned(_words(screen, answer, model), each)
    room = rows - 2 - (len(words) if columns == 1 else 0)
    picture = _picture(screen, model)
    drawn = chart(picture, each, min(_TALLEST, room), screen.glyphs)
    shown = [*legend(picture, each, screen.glyphs), *drawn] if drawn else []
    lines = placed([shown, words] if shown else [words], columns, each, width)
    return tuple(block([title(cut(inert(model.model), _NAMED), width), *lines], rows, width))


def _words(screen: Screen, answer: Answer, model: wire.ModelState) -> list[tuple[str, str]]:
    now = decision_now(screen)
    worst = model.alerts[0] if model.alerts else None
    return [
        ("breach", _breaches(model)),
        ("incident", str(model.incident) if model.incident is not None else ""),
        ("alert", f"{worst.number} {worst.state}: {worst.text}" if worst else "none"),
        ("forecast", _ahead(answer, model.model)),
        ("rollout", _rollout(answer, model)),
        ("trained", f"on rows that end {_trained(model)} ago" if model.trained_age_days else ""),
        ("next check", clock(model.next_check, now)),
    ]


def _breaches(model: wire.ModelState) -> str:
    """Say the first of what is beyond a limit, and how much more there is."""
    first, *more = (model.breach or "").split("; ")
    return f"{first}; and {len(more)} more, see cdml alerts" if more else first


def _picture(screen: Screen, model: wire.ModelState) -> Picture:
    signal = _signal(model)
    times = [moment(t) for t in signal.times] if signal else []
    values = signal.values if signal else []
    points = [Point(t, v) for t, v in zip(times, values, strict=False) if t is not None]
    return Picture(
        [Series(f"{metric_word(model.metric)}, realised", "●", "o", points, joined=True)],
        signal.limit if signal else None,
        "below" if model.higher_is_better else "above",
        decision_now(screen),
    )


def _drift(model: wire.ModelState) -> Span:
    drifted = sum(c.drifted for c in model.drift)
    worst = max((c.psi for c in model.drift if c.psi is not None), default=None)
    if worst is None:
        return Span(NONE)
    return Span(f"{figure(worst)}{'!' if drifted else ''}", "bad" if drifted else "")


def _ahead(answer: Answer, model: str) -> str:
    text = _breach(answer, model).text
    return {"none": "no breach expected", NONE: "not enough windows yet"}.get(
        text, f"breach {text}"
    )


def _breach(answer: Answer, model: str) -> Span:
    """Return the first breach that is forecast, of any metric or KPI."""
    found = answer.forecasts.get(model)
    rows = found.rows if found else []
    known = [(r.made_of.breach_expected, r.name) for r in rows if r.made_of.breach_expected]
    if known:
        when, name = min(known)
        return Span(f"{day(when)} {inert(metric_word(name))}", "warn")
    return Span("none" if any(r.value is not None for r in rows) else NONE)


def _rollout(answer: Answer, model: wire.ModelState) -> str:
    row = running_of(model)
    if row is not None:
        return f"{inert(row.version)} {running_text(row)}"
    said = next((m.rollout for m in answer.status.models if m.model == model.model), "")
    return inert(said) or "none"


def _opens(screen: Screen, sheet: Sheet) -> Subject | None:
    models = _models(screen)
    return Subject(BASE, models[sheet.cursor].model) if sheet.cursor < len(models) else None


PAGE = Page(
    "overview",
    title=lambda _: "All models",
    draw=_draw,
    ask=_ask,
    about=of_nothing,
    opens=_opens,
    rest_s=10.0,
)
