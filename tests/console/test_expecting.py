"""What performance, forecast and kpi print: value, interval, n and kind, or what there is not."""

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from cdml_tui.verbs import expecting
from cdml_tui.verbs.session import Session
from engine import wire

FROM, TO = "2013-07-01T00:00:00Z", "2013-07-08T00:00:00Z"
EXPERTS = [
    wire.Expert("constant", None, 0.0),
    wire.Expert("persistence", 0.53, 0.75),
    wire.Expert("calibrated", 0.49, 0.25),
]
ESTIMATE = wire.EstimateRow(
    "cost", FROM, TO, 0.52, 0.41, 0.63, 2031, wire.Estimated(EXPERTS, 0.923, 13)
)
BARE = wire.EstimateRow(
    "log_loss", FROM, TO, 0.52, None, None, 2031,
    wire.Estimated(EXPERTS, None, 0, "no interval: 0 of 2 past windows"),
)  # fmt: skip


def said(
    verb: Any, answer: object, capsys: pytest.CaptureFixture[str], *, as_json: bool = False
) -> str:
    ask = {verb.__name__: lambda _model: answer}
    session = SimpleNamespace(client=SimpleNamespace(**ask), json=as_json, model=lambda: "late")
    assert verb(cast(Session, session)) == 0
    return capsys.readouterr().out


def test_performance_shows_realised_windows_the_estimate_and_the_calibration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = wire.Performance(
        "late", "log_loss", "realised", [],
        [
            wire.Window("log_loss", FROM, TO, 0.48, 0.42, 0.55, 1938),
            wire.Window("cost", FROM, TO, None, None, None, 40),
        ],
        [ESTIMATE, BARE],
        [wire.CalibrationRow("gap", "v1", FROM, TO, 0.01, -0.03, 0.07, 1900,
                             wire.Calibration(0.26, 0.25))],
    )  # fmt: skip
    text = said(expecting.performance, answer, capsys)
    lines = [" ".join(row.split()) for row in text.splitlines()]
    assert f"{FROM} {TO} log_loss 0.48 0.42 0.55 1938 realised" in lines
    assert f"{FROM} {TO} cost not enough: 40 of 100 - - 40 realised" in lines
    assert ("cost 0.52 0.41 0.63 2031 - 0.53 92% of 13 persistence 75%, calibrated 25%") in lines
    assert "log_loss: no interval: 0 of 2 past windows" in lines
    assert "v1 gap 0.01 -0.03 0.07 1900 0.26 0.25" in lines
    assert "nan" not in text.lower()
    told = msgspec.json.decode(said(expecting.performance, answer, capsys, as_json=True))
    shown = {"model", "metric", "kind", "periods", "windows", "estimates", "calibration", "streams"}
    assert shown == set(told)
    watched = msgspec.structs.replace(answer, streams=["losses: no change in 310 rows"])
    assert "row by row\nlosses: no change in 310 rows" in said(
        expecting.performance, watched, capsys
    )
    nothing = wire.Performance("late", "log_loss", "realised", [])
    assert said(expecting.performance, nothing, capsys).startswith("late: not measured yet")


def test_forecast_shows_the_chance_of_a_breach_or_how_many_windows_are_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    near = wire.Forecast(1, FROM, TO, EXPERTS, 0.9, 20, 0.55, 0.625, TO)
    far = wire.Forecast(2, FROM, TO, [], None, 0, 0.55, missing="not enough: 9 of 10 windows")
    answer = wire.ForecastAnswer("late", [
        wire.ForecastRow("cost", FROM, TO, 0.58, 0.4, 0.7, 9, near),
        wire.ForecastRow("cost", FROM, TO, None, None, None, 9, far),
    ])  # fmt: skip
    lines = [" ".join(r.split()) for r in said(expecting.forecast, answer, capsys).splitlines()]
    assert f"cost 1 {FROM} {TO} 0.58 0.4 0.7 90% of 20 0.55 0.625 {TO} 9" in lines
    assert f"cost 2 {FROM} {TO} not enough: 9 of 10 windows - - - 0.55 - - 9" in lines
    empty = wire.ForecastAnswer("late", [], "not measured yet: cdml monitor measures it now")
    assert "not measured yet" in said(expecting.forecast, empty, capsys)


def test_kpi_shows_the_weights_as_what_they_are_and_all_it_is_compared_with(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = wire.KpiPage(
        "cost", "avg(score)", "minimize", "USD per flight", 0.6, 0.48, "v1",
        [wire.KpiWindow(FROM, TO, 1938, 0.51, 0.66, 0.79)], ESTIMATE,
    )  # fmt: skip
    text = said(expecting.kpi, wire.KpiAnswer("late", [page]), capsys)
    lines = [" ".join(row.split()) for row in text.splitlines()]
    assert lines[0] == "cost: minimize USD per flight, limit 0.6"
    assert lines[1] == "its weights are your assumptions: avg(score)"
    assert lines[2] == "promise of v1 at validation: 0.48"
    assert f"{FROM} {TO} 1938 0.51 0.66 0.79 0.48" in lines
    broken = wire.KpiPage("cost", "x", "minimize", "", None, None, None, [], None, "no column x")
    text = said(expecting.kpi, wire.KpiAnswer("late", [broken]), capsys)
    assert "promise of no champion at validation: not measured\nno column x" in text
    assert "no KPI is declared" in said(expecting.kpi, wire.KpiAnswer("late", []), capsys)
