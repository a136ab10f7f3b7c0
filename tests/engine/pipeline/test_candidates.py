"""Candidates compete out of time within a budget; the best and the simplest as good go on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.errors import InvalidError
from engine.pipeline import candidates, delivery, fitting, reproduce, tracing, train
from engine.pipeline.ingest import ingest
from engine.pipeline.training import Candidate, Recipe, TrainResult, origin_of
from tests.engine.pipeline.place import START, Place, csv, roles
from tests.engine.pipeline.test_training import Here, fed, fitted

TREES = [
    Recipe("trees", "hist_gradient_boosting", {"max_iter": n, "max_leaf_nodes": leaves})
    for n in (3, 6)
    for leaves in (3, 7)
]


@pytest.fixture
def fed_place(place: Place) -> Place:
    fed(place)
    return place


def origin(made: TrainResult) -> Any:
    found = origin_of(made.manifest)
    assert found is not None
    return found


def test_all_recipes_compete_on_all_windows_and_the_search_is_recorded(fed_place: Place) -> None:
    made = fitted(
        fed_place, recipes=["trees"], named={"trees": TREES}, windows=["all", "10d"], seeds=2
    )
    search = origin(made).search
    assert (search.method, search.candidates, search.drawn) == ("all", 10, 10)
    assert len(search.trials) == 11
    assert {t.rows for t in search.trials} == {t.rows for t in search.trials[:2]}
    best = min(search.trials, key=lambda t: t.value or 9.0)
    assert origin(made).candidate.said == best.candidate
    assert best.candidate in search.chosen


@pytest.mark.parametrize(("method", "fits"), [("random", 4), ("halving", 12)])
def test_a_search_stays_within_its_budget_and_a_seed_draws_the_same(
    fed_place: Place, method: str, fits: int
) -> None:
    asked = {
        "recipes": ["trees"], "named": {"trees": TREES}, "windows": ["all", "20d"], "seeds": 2,
        "fits": fits, "search": method,
    }  # fmt: skip
    made = fitted(fed_place, **asked)
    search = origin(made).search
    assert search.method == method
    assert len(search.trials) <= fits
    assert search.candidates == 10
    assert search.trials[0].candidate.startswith("linear")
    assert fitted(fed_place, **asked).manifest == made.manifest
    if method == "halving":
        assert search.trials[0].rows < search.trials[-1].rows


def test_a_search_out_of_time_ends_with_what_it_has(fed_place: Place) -> None:
    inputs = msgspec.structs.replace(
        train.gather(fed_place, "late", "r1"),
        recipes=["trees"], named={"trees": TREES}, seconds=5.0,
    )  # fmt: skip
    ticks: Iterator[float] = iter(range(0, 100, 2))
    runs = fed_place.workspace.runs
    made = fitting.fit(inputs, runs, lambda *_: None, lambda: float(next(ticks)))
    assert 1 < len(origin(made).search.trials) < 5


def test_the_simplest_within_noise_goes_to_the_gate_beside_the_best(
    fed_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "_simplest", lambda usable, *_: usable[-1])
    settings = fed_place.settings.models["late"]
    asked = msgspec.structs.replace(settings.train, recipes=["hist_gradient_boosting"])
    fed_place.settings.models["late"] = msgspec.structs.replace(settings, train=asked)
    outcome = delivery.train_run(fed_place, Here(fed_place))
    assert [v.version for v in fed_place.ledger.versions("late") if not v.safe_mode] == ["v1", "v2"]
    assert (outcome.version, outcome.verdict) == ("v2", "pass")
    assert roles(fed_place).champion == "v2"
    fed_place.clock.passes(days=30)
    ingest(fed_place, "late", fed_place.drop("2.csv", csv(2, start=START)))
    delivery.train_run(fed_place, Here(fed_place, 2))
    known = fed_place.ledger.versions("late")
    assert [v.version for v in known if not v.safe_mode] == ["v1", "v2", "v3", "v4"]
    assert all(v.report is not None for v in known if v.version in ("v3", "v4"))
    assert tracing.lineage(fed_place, "late", "v2").children == ["v3", "v4"]


def test_a_recipe_that_failed_is_tried_again_on_newer_rows(fed_place: Place) -> None:
    bad = Candidate(Recipe("odd", "hist_gradient_boosting", {"max_iter": 5}), "12d", again="v1")
    gone = Candidate(Recipe("lost", "no_such:thing"), "all", again="v1")
    search = origin(fitted(fed_place, again=[bad, gone])).search
    tried = {t.candidate: t for t in search.trials}
    assert tried["odd (max_iter 5) on 12d"].value is not None
    assert "no_such" in (tried["lost on all"].error or "")


def test_a_correction_of_probabilities_is_kept_where_it_surely_helps(fed_place: Place) -> None:
    (fed_place.workspace.root / "boastful.py").write_text(BOASTFUL)
    fed(fed_place, 2, 3)
    asked = {"recipe": "boastful:nearest", "calibration": ["sigmoid", "isotonic"]}
    plain = fitted(fed_place, recipe="boastful:nearest")
    made = fitted(fed_place, **asked, holdout_days=12.0)
    assert origin(made).calibration in ("sigmoid", "isotonic")
    assert (made.inner.value or 9.0) < (plain.inner.value or 0.0)
    content = (fed_place.workspace.runs / "estimator.skops").read_bytes()
    version = train.register(fed_place, "late", "r1", made, content, SIMPLE(fed_place))
    loaded = fed_place.artifacts.load(fed_place.ledger.version("late", version).manifest or "")
    assert type(loaded.estimator).__name__ == "CalibratedClassifierCV"
    assert fitted(fed_place, calibration=["sigmoid"]).manifest.origin["calibration"] is None


def SIMPLE(place: Place) -> bytes:  # noqa: N802
    return (place.workspace.runs / "safe_mode.skops").read_bytes()


BOASTFUL = """
def nearest(task, metric, categorical, seed):
    from sklearn.pipeline import make_pipeline
    from sklearn.impute import SimpleImputer
    from sklearn.tree import DecisionTreeClassifier
    return make_pipeline(SimpleImputer(), DecisionTreeClassifier(random_state=seed))
"""

HOSTILE = """
class Not:
    def fit(self, *_): return None
    def predict(self, x): return x
    def __init__(self, **_): pass

class Nan(Not):
    def predict_proba(self, x): return x[:, :2] * float("nan")

class Wide(Not):
    def predict_proba(self, x): return [[1.0]]

def parts(**_): return Not()
def nan(**_): return Nan()
def wide(**_): return Wide()
def params(other, **_): return other
"""


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("hostile:parts", "has no predict_proba"),
        ("hostile:nan", "not finite"),
        ("hostile:wide", r"shape \(1, 1\)"),
        ("hostile:params", "it raised TypeError"),
    ],
)
def test_a_recipe_that_makes_no_estimator_is_said_in_a_sentence(
    fed_place: Place, recipe: str, said: str
) -> None:
    (fed_place.workspace.root / "hostile.py").write_text(HOSTILE)
    with pytest.raises(InvalidError, match=said) as found:
        fitted(fed_place, recipe=recipe)
    assert (found.value.code, found.value.field) == ("bad_recipe", "recipe")


def test_a_parameter_that_the_recipe_has_not_is_named(fed_place: Place) -> None:
    named = {"odd": [Recipe("odd", "random_forest", {"leafs": 3})]}
    with pytest.raises(InvalidError, match="leafs"):
        fitted(fed_place, recipe="odd", named=named)


def test_a_version_made_again_is_the_same_or_what_differs_is_said(fed_place: Place) -> None:
    delivery.train_run(fed_place, Here(fed_place))
    inputs = reproduce.gather(fed_place, "late", "v1")
    made = fitting.fit(inputs, fed_place.workspace.runs, lambda *_: None)
    found = reproduce.compared(fed_place, "late", "v1", made)
    assert found.differs == []
    assert (found.same, found.made) == (True, found.artifact)
    other = msgspec.structs.replace(inputs, seed=9, windows=["10d"])
    made = fitting.fit(other, fed_place.workspace.runs, lambda *_: None)
    found = reproduce.compared(fed_place, "late", "v1", made)
    assert not found.same
    assert any(d.startswith("artifact") for d in found.differs)
    assert any(d.startswith("rows") for d in found.differs)
    assert found.because


def test_a_version_whose_rows_are_gone_cannot_be_made_again(fed_place: Place) -> None:
    delivery.train_run(fed_place, Here(fed_place))
    for path in Path(fed_place.workspace.batches).glob("*.parquet"):
        path.unlink()
    with pytest.raises(Exception, match="1 of the 1 batches") as found:
        reproduce.gather(fed_place, "late", "v1")
    assert found.value.code == "data_gone"  # type: ignore[attr-defined]
    assert np.all(roles(fed_place).champion == "v1")
