"""The lines of a gate report: what each asks, and what it says where it cannot be decided."""

import msgspec
import numpy as np
import pytest

from engine.pipeline import checks, measurement
from engine.pipeline.fitting import Inner, Kpi
from engine.pipeline.measurement import Comparison, Held, Slice, ValidateResult
from engine.settings import GateSettings
from engine.wire import Check

GOOD = Comparison(0.05, 0.03, 0.07, 2000, 0.5)
EVEN = Comparison(0.0, -0.004, 0.004, 2000, 0.5)
OPEN = Comparison(0.001, -0.02, 0.02, 2000, 0.5)
WORSE = Comparison(-0.05, -0.07, -0.03, 2000, 0.5)
COST = Kpi("cost", "avg(1)", "minimize", "USD")


def result(champion: Comparison = GOOD, **changed) -> ValidateResult:
    against = {"champion": champion, "base rate": GOOD, **changed.pop("against", {})}
    found = ValidateResult(2000, 14, 0.45, 0.43, 0.47, against, [], {}, None, {})
    return msgspec.structs.replace(found, **changed)


def judged(found: ValidateResult, because: str | None = None, kpi=None, **gate) -> dict[str, Check]:
    made = checks.compared(found, "log_loss", GateSettings(**gate), kpi, because)
    return {c.name: c for c in made}


def test_the_margin_of_the_anchor_is_twice_the_champions() -> None:
    made = judged(result(against={"anchor": Comparison(-0.015, -0.018, -0.012, 2000, 0.4)}))
    assert made["not worse than the champion"].threshold == -0.01
    anchor = made["not worse than the anchor"]
    assert (anchor.verdict, anchor.threshold) == ("pass", -0.02)
    crept = judged(result(against={"anchor": Comparison(-0.03, -0.035, -0.025, 2000, 0.4)}))
    assert crept["not worse than the anchor"].verdict == "fail"
    assert "not worse than the anchor" not in judged(result())


@pytest.mark.parametrize(
    ("champion", "because", "verdict"),
    [
        (GOOD, None, "pass"),
        (EVEN, None, "fail"),
        (OPEN, None, "inconclusive"),
        (EVEN, "the champion is stale", "pass"),
        (OPEN, "the champion is stale", "inconclusive"),
        (WORSE, "the champion is stale", "fail"),
    ],
)
def test_only_what_is_better_replaces_or_what_is_as_good_for_a_reason(
    champion: Comparison, because: str | None, verdict: str
) -> None:
    made = judged(result(champion), because)["better than the champion"]
    assert made.verdict == verdict
    assert ("stale" in made.text) == (verdict == "pass" and because is not None)


@pytest.mark.parametrize(
    ("floor", "verdict"), [(0.5, "pass"), (0.47, "pass"), (0.46, "inconclusive"), (0.4, "fail")]
)
def test_the_floor_holds_for_the_whole_interval(floor: float, verdict: str) -> None:
    made = judged(result(), floor=floor)["within the floor"]
    assert (made.verdict, made.threshold, made.n) == (verdict, floor, 2000)
    assert (made.needed is not None) == (verdict == "inconclusive")
    assert "within the floor" not in judged(result())


def test_a_floor_of_a_metric_that_should_be_high_is_a_least_value() -> None:
    found = result(value=0.8, low=0.75, high=0.85)
    made = checks.compared(found, "roc_auc_score", GateSettings(floor=0.7), None, None)
    assert made[0].verdict == "pass"
    made = checks.compared(found, "roc_auc_score", GateSettings(floor=0.9), None, None)
    assert made[0].verdict == "fail"


@pytest.mark.parametrize("rule", ["base rate", "last value", "same time last week"])
def test_nothing_may_lose_to_a_trivial_rule(rule: str) -> None:
    assert judged(result(against={rule: WORSE}))[f"better than the {rule}"].verdict == "fail"
    made = judged(result(against={rule: OPEN}))[f"better than the {rule}"]
    assert made.verdict == "inconclusive"
    assert made.needed is not None
    assert made.needed > made.n


def test_decisions_must_beat_the_trivial_ones_and_not_be_surely_worse_than_the_champions() -> None:
    found = result(kpi={"candidate": 0.4, "champion": 0.3}, kpi_gain=GOOD, kpi_kept=OPEN)
    made = judged(found, kpi=COST)
    assert made["cost better than never or always acting"].verdict == "pass"
    kept = made["cost not shown worse than the champion's"]
    assert (kept.verdict, kept.unit) == ("pass", "USD")
    worse = judged(msgspec.structs.replace(found, kpi_kept=WORSE), kpi=COST)
    assert worse["cost not shown worse than the champion's"].verdict == "fail"


def test_calibration_has_a_limit_and_is_not_given_up_against_the_champion() -> None:
    own = Comparison(0.04, 0.02, 0.06, 2000, None)
    found = result(calibration=own, calibration_gain=EVEN)
    made = judged(found, calibration=0.05)
    assert made["calibrated"].verdict == "inconclusive"
    assert made["calibration not shown worse than the champion's"].verdict == "pass"
    assert judged(found, calibration=0.01)["calibrated"].verdict == "fail"
    lost = msgspec.structs.replace(found, calibration_gain=Comparison(-0.1, -0.12, -0.08, 9, 0.1))
    name = "calibration not shown worse than the champion's"
    assert judged(lost)[name].verdict == "fail"
    assert "calibrated" not in judged(lost)


def test_a_slice_that_is_surely_worse_fails_and_one_of_many_by_chance_does_not() -> None:
    even = [Slice(f"c={at}", -0.01, 0.02, 300) for at in range(20)]
    chance = judged(result(slices=[*even, Slice("c=z", -0.055, 0.02, 300)]))["no slice worse"]
    assert chance.verdict == "pass"
    sure = judged(result(slices=[*even, Slice("c=z", -0.2, 0.02, 300)]))["no slice worse"]
    assert (sure.verdict, sure.n, sure.value) == ("fail", 300, -0.2)
    assert sure.low is not None
    assert "c=z" in sure.text


def test_costs_are_recorded_and_only_ten_times_the_champions_is_too_much() -> None:
    mib = 2**20
    found = result(
        latency_ms={"candidate": 2.0, "champion": 0.05},
        file_bytes={"candidate": 30 * mib, "champion": 4 * mib},
        memory_bytes={"candidate": 90 * mib, "champion": 8 * mib},
    )
    made = judged(found)
    # What is small is never too much, however small the champion is: it may be safe mode.
    assert (made["latency"].verdict, made["latency"].value) == ("pass", 2.0)
    assert (made["file size"].verdict, made["file size"].threshold) == ("pass", 40.0)
    assert (made["memory"].verdict, made["memory"].unit) == ("fail", "MiB")


def test_a_report_says_how_many_rows_are_needed_and_how_many_more() -> None:
    made = checks.compared(result(OPEN), "log_loss", GateSettings(), None, None)
    report = checks.report("v1", "a", "b", 2000, made, 0.45)
    assert report.verdict == "inconclusive"
    assert "about 6612 rows needed, 4612 more" in report.reasons[0]
    assert all(c.needed is None for c in report.checks if c.verdict != "inconclusive")


def test_without_rows_the_report_is_inconclusive() -> None:
    nothing = measurement.nothing(Held("binary", "log_loss", [], [], {}))
    made = checks.compared(nothing, "log_loss", GateSettings(), None, None)
    assert checks.report("v1", "a", "b", 0, made, None).verdict == "inconclusive"


def test_the_first_version_must_keep_the_floor_too() -> None:
    inner = Inner("a", "b", 500, 0.45, 0.43, 0.47, 0.6, 0.15, 0.1, 0.2, None)
    both = checks.first(inner, "log_loss", GateSettings(floor=0.4))
    assert [c.verdict for c in both] == ["fail", "pass"]
    assert [c.verdict for c in checks.first(inner, "log_loss", GateSettings())] == ["pass"]


@pytest.mark.parametrize(
    ("gain", "low", "high", "verdict"),
    [(0.02, -0.03, 0.08, "pass"), (-0.02, -0.08, 0.03, "fail"), (-0.05, -0.08, -0.02, "fail")],
)
def test_a_first_version_leads_where_it_did_better_and_is_not_surely_worse(
    gain: float, low: float, high: float, verdict: str
) -> None:
    inner = Inner("a", "b", 500, 0.5 - gain, 0.4, 0.6, 0.5, gain, low, high, None)
    assert [c.verdict for c in checks.first(inner, "log_loss", GateSettings())] == [verdict]


@pytest.mark.parametrize(
    ("low", "high", "renewal", "verdict"),
    [
        (-0.04, 0.05, False, "inconclusive"),
        (-0.04, 0.05, True, "pass"),
        (-0.09, -0.04, True, "fail"),
        (None, None, True, "inconclusive"),
    ],
)
def test_a_renewal_fails_only_where_it_is_surely_worse(
    low: float | None, high: float | None, renewal: bool, verdict: str
) -> None:
    """The same on newer rows has shown what it is; no evidence at all is still no success."""
    one = Comparison(0.0, low, high, 900, 0.5)
    against = {"champion": one, "anchor": one, "base rate": one}
    found = ValidateResult(900, 7, 0.5, 0.45, 0.55, against, [], {"candidate": 1.0}, one, {})
    made = checks.compared(found, "log_loss", GateSettings(), COST, None, renewal=renewal)
    report = checks.report("v1", "a", "b", 900, made, 0.5)
    assert report.verdict == verdict
    assert any("better than the champion" in c.name for c in made) != renewal


def test_rows_of_a_group_are_drawn_as_one() -> None:
    rng = np.random.default_rng(1)
    client = np.repeat(np.arange(30), 40)
    labels = (rng.random(1200) < 0.3) * 1.0
    shift = 0.1 * rng.normal(size=30)[client][:, None]
    a = np.full((1200, 1), 0.3)
    b = np.clip(a + shift, 0.02, 0.98)
    by = {
        unit: measurement.measured(
            Held("binary", "log_loss", labels, blocks, {}, unit), b, {"champion": a}, [1]
        )
        for unit, blocks in (("rows", np.arange(1200)), ("groups", client))
    }
    assert by["groups"].blocks == 30
    widths = {
        unit: (r.against["champion"].high - r.against["champion"].low) for unit, r in by.items()
    }
    assert widths["groups"] != widths["rows"]
    made = {
        c.name: c for c in checks.compared(by["groups"], "log_loss", GateSettings(), None, None)
    }
    assert made["not worse than the champion"].text.endswith("30 groups")
