"""What `cdml performance`, `cdml forecast` and `cdml kpi` show, from what looks have stored."""

from collections.abc import Sequence

import msgspec

from engine.clock import iso
from engine.pipeline import overview, streams
from engine.pipeline.realised import SERVED
from engine.pipeline.site import Site
from engine.store import scores
from engine.store.scores import Score
from engine.wire import (
    Calibration,
    CalibrationRow,
    Estimated,
    EstimateRow,
    Forecast,
    ForecastAnswer,
    ForecastRow,
    KpiAnswer,
    KpiPage,
    KpiWindow,
    Performance,
    Window,
)

SHOWN = 52


def performance(site: Site, model: str) -> Performance:
    """Return realised windows, the estimate of the running one, and the calibration."""
    found = overview.realised(site, model)
    champion = site.ledger.roles(model).champion or ""
    return msgspec.structs.replace(
        found,
        windows=[
            Window(s.name, *_span(s), s.value, s.low, s.high, s.n)
            for s in scores.history(site.store, model, "period", windows=SHOWN)
        ],
        estimates=_estimates(site, model),
        calibration=[_calibration(s) for s in _newest(site, model, "calibration", champion)],
        streams=streams.standing(site, model),
    )


def forecast(site: Site, model: str) -> ForecastAnswer:
    """Return the forecasts of the newest look, the nearest window of each first."""
    site.model(model)
    rows = []
    for s in scores.history(site.store, model, "forecast", windows=1):
        detail = msgspec.json.decode(s.detail or "", type=Forecast)
        rows.append(
            ForecastRow(
                s.name, detail.window_from, detail.window_to, s.value, s.low, s.high, s.n, detail
            )
        )
    missing = "" if rows else "not measured yet: cdml monitor measures it now"
    return ForecastAnswer(
        model, sorted(rows, key=lambda row: (row.name, row.made_of.horizon)), missing
    )


def kpi(site: Site, model: str) -> KpiAnswer:
    """Return each declared KPI by window, with its promise and its estimate."""
    settings = site.model(model)
    champion = site.ledger.roles(model).champion
    report = site.ledger.version(model, champion).report if champion else None
    estimates = {row.name: row for row in _estimates(site, model)}
    pages = []
    for name, declared in settings.kpi.items():
        found = scores.history(site.store, model, "kpi", name=name, windows=SHOWN)
        promise = report.measured.get(name) if report else None
        pages.append(
            KpiPage(
                name,
                declared.sql,
                declared.direction,
                declared.unit,
                declared.limit,
                promise,
                champion,
                _windows(found),
                estimates.get(name),
                (found[-1].detail or "") if found else "",
            )
        )
    return KpiAnswer(model, pages)


def _windows(found: Sequence[Score]) -> list[KpiWindow]:
    by_window: dict[tuple[str, str], dict[str, Score]] = {}
    for s in found:
        by_window.setdefault(_span(s), {})[s.version] = s
    return [
        KpiWindow(
            *span,
            n=max(s.n for s in versions.values()),
            served=_of(versions, SERVED),
            never_act=_of(versions, "never act"),
            always_act=_of(versions, "always act"),
        )
        for span, versions in by_window.items()
    ]


def _of(versions: dict[str, Score], name: str) -> float | None:
    return versions[name].value if name in versions else None


def _estimates(site: Site, model: str) -> list[EstimateRow]:
    return [
        EstimateRow(
            s.name, *_span(s), s.value, s.low, s.high, s.n,
            msgspec.json.decode(s.detail or "", type=Estimated),
        )
        for s in _newest(site, model, "estimated", SERVED)
    ]  # fmt: skip


def _newest(site: Site, model: str, kind: str, version: str) -> list[Score]:
    """Return what the newest look measured of a kind: nothing of what is no longer declared."""
    return scores.history(site.store, model, kind, version, windows=1)


def _calibration(s: Score) -> CalibrationRow:
    means = msgspec.json.decode(s.detail, type=Calibration) if s.detail else None
    name = "gap" if s.name == "gap" else "error"
    return CalibrationRow(name, s.version, *_span(s), s.value, s.low, s.high, s.n, means)  # type: ignore[arg-type]


def _span(s: Score) -> tuple[str, str]:
    return iso(s.window_from), iso(s.window_to)
