"""All models, a row each: who serves, how well, what threatens, what happens next."""

from dataclasses import dataclass

from cdml_tui.client import Client
from cdml_tui.panes.figures import NONE, clock, figure, metric_word, span_of, sparkline
from cdml_tui.panes.line import Span, inert, line, pad
from cdml_tui.panes.numbers import day, table
from cdml_tui.screens.page import WIDE, Body, Page, of_nothing
from cdml_tui.sheet import BASE, Sheet, Subject
from cdml_tui.state import Screen, decision_now, running_of, running_text
from engine import wire

_CHART = 24


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
    heads, rows = _heads(width), [_row(screen, answer, m, width) for m in models]
    head, *lines = table(heads, rows, width, left=3, gap=2 if width >= WIDE else 1)
    return Body(lines, (head,), selects=True)


def _models(screen: Screen) -> list[wire.ModelState]:
    return list(screen.snapshot.models) if screen.snapshot else []


def _heads(width: int) -> list[str]:
    chart = ["METRIC OVER TIME"] if width >= WIDE else []
    return [
        *("MODEL", "STATE", "CHAMP", "METRIC", "LIMIT", "DRIFT", "FORECAST", "ROLLOUT"),
        *("ALERTS", "AGE", "NEXT", *chart),
    ]


def _row(screen: Screen, answer: Answer, model: wire.ModelState, width: int) -> list[str | Span]:
    signal = next((s for s in model.signals if s.name == model.metric), None)
    value = figure(signal.last) if signal else NONE
    over = signal is not None and signal.breached
    age = model.trained_age_days
    firing = sum(a.state == "firing" for a in model.alerts)
    incident = f" INC {model.incident}" if model.incident is not None else ""
    return [
        Span(inert(model.model), "bold"),
        Span("BREACH", "bad") if model.breach else Span("ok", "good"),
        inert(model.champion or "nobody"),
        Span(
            f"{inert(metric_word(model.metric))} {value}{'!' if over else ''}",
            "bad" if over else "",
        ),
        figure(signal.limit) if signal and signal.limit is not None else "none",
        _drift(model),
        _breach(answer, model.model),
        _rollout(answer, model),
        Span(f"{firing}{incident}", "warn" if firing or incident else ""),
        span_of(age * 86_400) if age is not None else NONE,
        clock(model.next_check, decision_now(screen)),
        *([_chart(signal)] if width >= WIDE else []),
    ]


def _chart(signal: wire.Signal | None) -> str:
    return sparkline(signal.values, _CHART, signal.limit) if signal else pad("", _CHART)


def _drift(model: wire.ModelState) -> Span:
    drifted = sum(c.drifted for c in model.drift)
    worst = max((c.psi for c in model.drift if c.psi is not None), default=None)
    if worst is None:
        return Span(NONE)
    return Span(f"{figure(worst)}{'!' if drifted else ''}", "bad" if drifted else "")


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
)
