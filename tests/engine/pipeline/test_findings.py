"""Each kind of score becomes a finding with limit, direction, evidence and words; some do not."""

from datetime import timedelta

import msgspec
import pytest

from engine.domain.alerts import RULES, Finding, Standing
from engine.pipeline import findings
from engine.pipeline.findings import KINDS
from engine.settings import ModelSettings
from engine.store.scores import Score
from tests.engine.pipeline.place import SETTINGS, START, Place

AT = START + timedelta(days=7)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> ModelSettings:
    wanted = 'slices = ["kind"]\nstale = "30d"\ncalibration = 0.05'
    text = SETTINGS.replace('holdout = "3d"', f'holdout = "3d"\n{wanted}')
    place = Place.made(tmp_path_factory.mktemp("place"), text)
    found = place.model("late")
    place.close()
    return found


def score(kind: str, name: str, value: float | None, version: str = "v1", **more: object) -> Score:
    detail = more.pop("detail", None)
    text = None if detail is None else msgspec.json.encode(detail).decode()
    return Score("late", version, kind, name, START, AT, value, 300, detail=text, **more)  # type: ignore[arg-type]


def only(settings: ModelSettings, *scores: Score) -> Finding:
    (found,) = findings.found(settings, scores, None, AT)
    return found


def test_every_kind_that_is_read_has_a_rule() -> None:
    assert set(KINDS) <= set(RULES)


@pytest.mark.parametrize(
    ("one", "says", "text"),
    [
        (score("realised", "log_loss", 0.9, "served", low=0.85, high=1.0), Standing.BEYOND,
         "log_loss 0.900 [0.850, 1.000], limit 0.8, n 300"),
        (score("realised", "log_loss", None, "served"), Standing.UNKNOWN,
         "log_loss --, limit 0.8, n 300"),
        (score("kpi", "cost", None, "served", detail="there is no column"), Standing.UNKNOWN,
         "cost --, limit 0.5, n 300"),
        (score("kpi", "cost", 0.6, "served"), Standing.BEYOND, "cost 0.600, limit 0.5, n 300"),
        (score("drift", "wind", 0.3), Standing.BEYOND, "drift wind psi 0.30, limit 0.2, n 300"),
        (score("drift", "wind", 0.3, detail={"evidence": 3.0, "evidence_needed": 20.0}),
         Standing.UNSURE, "drift wind psi 0.30, limit 0.2, evidence 3 of 20, n 300"),
        (score("score drift", "score", 0.3), Standing.BEYOND,
         "score drift psi 0.30, limit 0.2, n 300"),
        (score("slice", "kind=\x1bc", 0.9, low=0.85, high=1.0, detail={"surely": True}),
         Standing.BEYOND, "slice kind=?c log_loss 0.900 [0.850, 1.000], limit 0.8, n 300"),
        (score("slice", "kind=c", 0.9, detail={"limit": 0.8}), Standing.UNSURE,
         "slice kind=c log_loss 0.900, limit 0.8, n 300"),
        (score("estimated", "log_loss", 0.9, low=0.7, high=1.1), Standing.UNSURE,
         "estimated log_loss 0.900 [0.700, 1.100], limit 0.8, n 300"),
        (score("estimated", "cost", 0.9), Standing.UNSURE,
         "estimated cost 0.900, limit 0.5, n 300"),
        (score("forecast", "cost", 0.4, detail={"p_breach": 0.6}), Standing.BEYOND,
         "forecast cost 0.400 by 2024-03-08, limit 0.5, P(breach) 0.60, n 300"),
        (score("forecast", "cost", 0.9, detail={"p_breach": 0.5}), Standing.WITHIN,
         "forecast cost 0.900 by 2024-03-08, limit 0.5, P(breach) 0.50, n 300"),
        (score("calibration", "error", 0.08, low=0.06, high=0.1), Standing.BEYOND,
         "calibration off by 0.080 [0.060, 0.100], limit 0.05, n 300"),
        (score("quality", "label coverage", 0.5, detail={"limit": 0.8, "above": False}),
         Standing.BEYOND, "quality label coverage 0.5, limit 0.8, n 300"),
    ],
)  # fmt: skip
def test_a_score_is_read_against_its_limit(
    settings: ModelSettings, one: Score, says: Standing, text: str
) -> None:
    found = only(settings, one)
    assert (found.standing, found.text) == (says, text)


@pytest.mark.parametrize(
    "one",
    [
        score("realised", "roc_auc_score", 0.1, "served"),
        score("realised", "log_loss", 9.0, "v1"),
        score("kpi", "cost", 9.0, "never act"),
        score("kpi", "gone", 9.0, "served"),
        score("slice", "other=c", 9.0),
        score("calibration", "gap", 9.0),
        score("quality", "range", 0.9),
        score("replayed gain", "log_loss", -1.0, detail="v1"),
    ],
)
def test_what_nothing_limits_is_not_watched(settings: ModelSettings, one: Score) -> None:
    assert findings.found(settings, [one], None, AT) == []


def test_a_champion_grows_stale_by_the_age_of_its_rows(settings: ModelSettings) -> None:
    (found,) = findings.found(settings, [], AT - timedelta(days=31), AT)
    assert (found.kind, found.standing) == ("stale", Standing.BEYOND)
    assert found.text == "training rows 31 days old, limit 30"


def test_of_the_running_service_failures_must_be_sure_and_answers_slow(
    settings: ModelSettings,
) -> None:
    def says(rows: int, failed: int, p95_ms: float | None) -> list[tuple[str, str]]:
        found = findings.of_serving(settings, rows, failed, p95_ms)
        return [(f.kind, f.standing.value) for f in found]

    assert says(0, 0, None) == []
    assert says(50, 2, 20.0) == [("errors", "unsure"), ("latency", "within")]
    assert says(1000, 60, 120.0) == [("errors", "beyond"), ("latency", "beyond")]
    assert says(1000, 0, None) == [("errors", "within")]


def test_of_several_windows_ahead_the_worst_counts(settings: ModelSettings) -> None:
    one, two = (score("forecast", "cost", 0.4, detail={"p_breach": p}) for p in (0.6, 0.9))
    assert only(settings, two, one).value == 0.9
    unknown = score("forecast", "cost", None, detail={"p_breach": None})
    fine = score("forecast", "cost", 0.4, detail={"p_breach": 0.1})
    assert only(settings, unknown, fine).value == 0.1


def test_what_it_costs_is_the_kpi_beside_never_and_always_acting(settings: ModelSettings) -> None:
    scores = [
        score("kpi", "cost", 0.6, "served"), score("kpi", "cost", 0.55, "never act"),
        score("realised", "log_loss", 0.9, "served"),
    ]  # fmt: skip
    assert findings.cost(settings, scores, 0.4) == "cost 0.600, limit 0.5, never act 0.550"
    assert findings.cost(settings, scores[2:], 0.4) == "log_loss 0.900, 0.400 at validation"
    assert findings.cost(settings, [], None) == ""


def test_what_explains_it_is_ranked_by_damage_then_by_psi(settings: ModelSettings) -> None:
    scores = [
        score("drift", "temp", 0.9), score("drift", "wind", 0.3, detail={"damage": 0.02}),
        score("drift", "dest", None), score("slice", "kind=a", 0.2), score("slice", "kind=b", 0.9),
    ]  # fmt: skip
    assert findings.because(settings, scores) == (
        "columns wind psi 0.30, temp psi 0.90; slices kind=b 0.900 n 300, kind=a 0.200 n 300"
    )


def test_how_sure_it_is_names_its_evidence(settings: ModelSettings) -> None:
    sure = only(settings, score("realised", "log_loss", 0.9, "served", low=0.85, high=1.0))
    assert findings.sureness(sure) == "surely above 0.8: 95 % interval 0.85 to 1, n 300"
    evidence = {"evidence": 3.0, "evidence_needed": 20.0}
    drift = only(settings, score("drift", "wind", 0.3, detail=evidence))
    assert findings.sureness(drift) == "not surely: evidence 3, 20 needed, n 300"
    guess = only(settings, score("estimated", "cost", 0.9))
    assert findings.sureness(guess) == "not surely: no interval yet, n 300"
    assert findings.sureness(only(settings, score("drift", "wind", 0.3))) == (
        "by its value alone, n 300"
    )
