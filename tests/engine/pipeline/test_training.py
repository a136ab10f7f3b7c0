"""Training and validation in this process: the same functions that a job runs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.domain.lifecycle import Fitness
from engine.errors import (
    CdmlError,
    CorruptError,
    InvalidError,
    RefusedError,
    UnavailableError,
)
from engine.pipeline import delivery, fitting, locks, recipes, scoring, train, validate
from engine.pipeline.fitting import TrainInputs, TrainResult
from engine.pipeline.ingest import ingest
from engine.pipeline.measurement import ValidateResult
from engine.pipeline.rollback import rollback
from engine.pipeline.scoring import ValidateInputs
from engine.pipeline.training import BUILT_IN, Recipe
from engine.wire import Change, LockRequest
from tests.engine.pipeline.place import PERSON, SETTINGS, START, Place, csv, roles

SECOND = START.replace(day=1)


class Here:
    """A run that measures in this process."""

    def __init__(self, place: Place, number: int = 1) -> None:
        self.id = f"r{number}"
        self.model = "late"
        self.folder = place.workspace.runs / self.id
        self.folder.mkdir(parents=True, exist_ok=True)

    def work(self, verb: str, inputs: Any, answer: Any) -> Any:
        if verb == "train":
            inputs = msgspec.convert(msgspec.to_builtins(inputs), TrainInputs)
            made: Any = fitting.fit(inputs, self.folder, lambda *_: None)
        else:
            inputs = msgspec.convert(msgspec.to_builtins(inputs), ValidateInputs)
            made = scoring.score(inputs, lambda *_: None)
        return msgspec.json.decode(msgspec.json.encode(made), type=answer)

    def say(self, note: str) -> None:
        assert note


def files(place: Place) -> tuple[bytes, bytes]:
    """Return what the last fit left in the runs folder: the estimator and its safe mode."""
    runs = place.workspace.runs
    return (runs / "estimator.skops").read_bytes(), (runs / "safe_mode.skops").read_bytes()


def fed(place: Place, *seeds: int) -> None:
    for seed in seeds or (1,):
        ingest(place, "late", place.drop(f"{seed}.csv", csv(seed)))


def fitted(place: Place, **changed: Any) -> TrainResult:
    inputs = msgspec.structs.replace(train.gather(place, "late", "r1"), **changed)
    return fitting.fit(inputs, place.workspace.runs, lambda *_: None)


def error(act: Any) -> CdmlError:
    with pytest.raises(CdmlError) as found:
        act()
    return found.value


def test_the_first_version_that_beats_the_base_rate_becomes_champion_and_anchor(
    place: Place,
) -> None:
    fed(place)
    outcome = delivery.train_run(place, Here(place))
    assert (outcome.version, outcome.verdict) == ("v1", "pass")
    assert (roles(place).champion, roles(place).anchor) == ("v1", "v1")
    version = place.ledger.version("late", "v1")
    assert version.fitness is Fitness.BLESSED
    assert version.report is not None
    assert all(check.verdict == "pass" and check.n > 0 for check in version.report.checks)
    assert not version.safe_mode
    manifest = place.artifacts.manifest(version.manifest or "")
    assert (manifest.rows, manifest.classes) == (600, ["false", "true"])
    assert [f.name for f in manifest.features] == ["wind", "kind", "windy"]
    assert place.ledger.audit_fault() is None


def test_where_nothing_beats_the_base_rate_the_baseline_answers_in_safe_mode(
    place: Place,
) -> None:
    rng = np.random.default_rng(5)
    noise = [line.rsplit(",", 1)[0] for line in csv().splitlines()[1:]]
    lines = [f"{line},{'true' if rng.random() < 0.5 else 'false'}" for line in noise]
    place.drop("a.csv", "\n".join(["id,t,wind,kind,windy,late", *lines]))
    ingest(place, "late", place.workspace.incoming("late") / "a.csv")
    outcome = delivery.train_run(place, Here(place))
    assert outcome.version == "v1"
    assert outcome.verdict in ("fail", "inconclusive")
    champion = place.ledger.version("late", roles(place).champion or "")
    assert champion.version == "v1-safe"
    assert champion.safe_mode
    answers = np.array(
        place.serving.probe("late", champion.version, [{"wind": 1.0, "kind": "a", "windy": False}])
    )
    assert 0.4 < answers[0, 0] < 0.6


def test_the_same_seed_trains_the_same_bytes_and_another_one_need_not(place: Place) -> None:
    fed(place)
    recipe = {"recipe": "hist_gradient_boosting"}
    one, same = fitted(place, **recipe), fitted(place, **recipe)
    assert one.manifest == same.manifest
    assert one.inner == same.inner
    assert fitted(place, seed=2, **recipe).manifest.artifact != one.manifest.artifact


def test_a_challenger_is_compared_on_rows_newer_than_all_and_the_report_adds_up(
    place: Place,
) -> None:
    fed(place)
    delivery.train_run(place, Here(place))
    place.clock.passes(days=30)
    ingest(place, "late", place.drop("2.csv", csv(2, start=START)))
    outcome = delivery.train_run(place, Here(place, 2))
    version = place.ledger.version("late", "v2")
    assert outcome.version == "v2"
    assert version.report is not None
    assert version.report.against == "v1"
    assert version.report.n >= 48
    assert version.trained_to is not None
    assert version.report.holdout_from == version.trained_to
    names = {check.name: check.verdict for check in version.report.checks}
    assert {"not worse than the champion", "better than the champion", "latency"} <= set(names)
    assert names["answers the probe rows in serving"] == "pass"
    fails = [v for v in names.values() if v == "fail"]
    assert (version.report.verdict == "fail") == bool(fails)
    assert roles(place).champion == "v1"


def test_a_report_names_the_champion_that_was_measured_not_a_later_one(place: Place) -> None:
    v1, v2 = place.champions(0.4, 0.5)
    candidate = place.blessed(0.6)
    manifests = {"champion": place.ledger.version("late", v1).manifest or ""}
    inputs = msgspec.structs.replace(
        msgspec.convert({**BLANK, "manifests": manifests}, ValidateInputs), metric="log_loss"
    )
    empty = ValidateResult(0, 0, None, None, None, {}, [], {}, None, {})
    report = validate.report(place, "late", candidate, inputs, empty)
    assert report.against == v1
    assert report.verdict == "inconclusive"
    assert v2 == roles(place).champion


BLANK = {
    "model": "late", "task": "binary", "metric": "log_loss", "manifests": {}, "artifacts": "",
    "keys": "", "types": {}, "since": "2024-01-01T00:00:00Z", "until": "2024-02-01T00:00:00Z",
    "known_by": "2024-02-01T00:00:00Z", "slices": [], "kpi": None, "seed": 1,
    "table": {"paths": [], "target": "late", "time": "t", "label_time": None, "id": None},
}  # fmt: skip


def test_a_champion_is_never_validated_against_itself(place: Place) -> None:
    (v1,) = place.champions(0.5)
    assert error(lambda: validate.gather(place, "late", v1)).code == "self_comparison"


@pytest.mark.parametrize(
    ("task", "metric", "target"),
    [("multiclass", "log_loss", "kind"), ("regression", "mean_absolute_error", "wind")],
)
def test_other_tasks_train_validate_and_answer(
    tmp_path: Path, task: str, metric: str, target: str
) -> None:
    settings = SETTINGS.split("[models.late.kpi")[0].replace('"binary"', f'"{task}"')
    place = Place.made(tmp_path, settings.replace('target = "late"', f'target = "{target}"'))
    fed(place)
    outcome = delivery.train_run(place, Here(place))
    assert outcome.version is not None
    champion = place.ledger.version("late", roles(place).champion or "")
    manifest = place.artifacts.manifest(champion.manifest or "")
    assert (manifest.task, manifest.metric) == (task, metric)
    assert len(manifest.classes) == (3 if task == "multiclass" else 0)
    inputs = msgspec.structs.replace(
        train.gather(place, "late", "r9"), recipe="hist_gradient_boosting", newer_than=None
    )
    made = fitting.fit(inputs, place.workspace.runs, lambda *_: None)
    version = train.register(place, "late", "r9", made, *files(place))
    result = scoring.score(replace_since(validate.gather(place, "late", version)), lambda *_: None)
    assert result.n > 0
    assert {"champion", "base rate"} <= set(result.against)
    place.close()


def replace_since(inputs: ValidateInputs) -> ValidateInputs:
    """Judge on all rows: there are no newer ones here."""
    return msgspec.structs.replace(inputs, since="2024-02-10T00:00:00Z")


def test_a_kpi_may_use_time_and_version_in_the_gate_too(tmp_path: Path) -> None:
    sql = (
        "avg(case when decision <> label and hour(time) < 25 and version <> '-' then 1 else 0 end)"
    )
    old = "avg(case when decision <> label then 1 else 0 end)"
    place = Place.made(tmp_path, SETTINGS.replace(old, sql))
    fed(place)
    made = fitted(place)
    version = train.register(place, "late", "r1", made, *files(place))
    result = scoring.score(replace_since(validate.gather(place, "late", version)), lambda *_: None)
    assert set(result.kpi) == {"candidate", "never act", "always act"}
    assert result.kpi_gain is not None
    place.close()


OWN = """
def good(task, metric, categorical, seed):
    from sklearn.tree import DecisionTreeClassifier
    return DecisionTreeClassifier(max_depth=3, random_state=seed)

def nothing(**_):
    return 7
"""


def test_a_recipe_of_the_users_own_lies_beside_cdml_toml(place: Place) -> None:
    (place.workspace.root / "own_recipes.py").write_text(OWN)
    fed(place)
    made = fitted(place, recipe="own_recipes:good")
    assert made.manifest.recipe == "own_recipes:good"
    version = train.register(place, "late", "r1", made, *files(place))
    assert validate.probe_check(place, "late", version).verdict == "pass"
    for recipe in ("own_recipes:nothing", "own_recipes:absent", "no_such_module:f"):
        found = error(lambda recipe=recipe: fitted(place, recipe=recipe))
        assert (found.code, found.field) == ("bad_recipe", "recipe")


@pytest.mark.parametrize("of", BUILT_IN)
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_column_without_a_value_yet_is_no_hindrance(of: str, task: str) -> None:
    matrix = np.random.default_rng(0).normal(size=(200, 3))
    matrix[:, 1] = np.nan
    labels = (matrix[:, 0] > 0).astype(np.intp)
    recipe = Recipe(of, of)
    made = recipes.fit(recipe, recipes.estimator(recipe, task, "log_loss", [], 0), matrix, labels)
    assert len(recipes.answers(recipe, made, task, matrix[:7])) == 7


def test_nothing_to_train_on_is_refused_or_invalid_in_a_sentence(place: Place) -> None:
    found = error(lambda: train.gather(place, "late", "r1"))
    assert isinstance(found, RefusedError)
    assert found.code == "no_data"
    ingest(place, "late", place.drop("a.csv", csv(n=150)))
    found = error(lambda: fitted(place))
    assert isinstance(found, RefusedError)
    assert found.code == "too_few_rows"
    assert "150 rows" in found.message


def test_a_target_that_does_not_fit_its_task_is_named(place: Place) -> None:
    text = csv()
    one = place.drop("a.csv", text.replace(",false\n", ",true\n"))
    ingest(place, "late", one, waived="accepted by ada: a test")
    found = error(lambda: fitted(place))
    assert (found.code, found.field) == ("bad_target", "target")
    assert "1 classes" in found.message
    table = replace_target(train.gather(place, "late", "r1"), "kind")
    found = error(lambda: fitting.fit(table, place.workspace.runs, lambda *_: None))
    assert found.code == "bad_target"
    assert "3 classes (a, b, c)" in found.message
    numbers = msgspec.structs.replace(table, task="regression", metric="mean_absolute_error")
    found = error(lambda: fitting.fit(numbers, place.workspace.runs, lambda *_: None))
    assert "no finite numbers" in found.message


def replace_target(inputs: TrainInputs, target: str) -> TrainInputs:
    types = {k: v for k, v in inputs.types.items() if k != target}
    table = msgspec.structs.replace(inputs.table, target=target)
    return msgspec.structs.replace(inputs, table=table, types=types, kpi=None)


def test_a_result_of_another_run_is_not_registered(place: Place) -> None:
    fed(place)
    made = fitted(place)
    with pytest.raises(CorruptError, match="of another run"):
        train.register(place, "late", "r2", made, *files(place))
    (place.workspace.runs / "estimator.skops").write_bytes(b"other")
    with pytest.raises(CorruptError, match="digest"):
        train.register(place, "late", "r1", made, *files(place))
    assert place.ledger.versions("late") == []


def test_serving_that_answers_otherwise_than_training_did_fails_the_gate(place: Place) -> None:
    version = place.blessed(0.5)
    manifest = place.artifacts.manifest(place.ledger.version("late", version).manifest or "")
    assert validate.probe_check(place, "late", version).verdict == "pass"

    class Off(type(place.serving)):  # type: ignore[misc]
        def probe(self, *_: Any) -> Any:
            return [[a[0] + 1e-6] for a in manifest.probe_answers]

    off = replace(place, serving=Off(place.ledger, place.artifacts))
    assert validate.probe_check(off, "late", version).verdict == "fail"


class Timeless(Here):
    """A run whose answers take no time, so that a busy machine decides nothing."""

    def work(self, verb: str, inputs: Any, answer: Any) -> Any:
        made = super().work(verb, inputs, answer)
        return msgspec.structs.replace(made, latency_ms={}) if verb == "validate" else made


class TakenBack(Timeless):
    """A run during whose training a person rolls the champion back, and resumes at once."""

    def __init__(self, place: Place, number: int) -> None:
        super().__init__(place, number)
        self._place = place

    def work(self, verb: str, inputs: Any, answer: Any) -> Any:
        if verb == "train":
            rollback(self._place, "late", PERSON, Change("back"))
            locks.resume(self._place, "late", PERSON, LockRequest("go on"))
        return super().work(verb, inputs, answer)


def test_a_retrain_that_finishes_after_a_rollback_does_not_go_live(place: Place) -> None:
    place.champions(0.4, 0.5)
    began = roles(place).generation
    fed(place)
    outcome = delivery.train_run(place, TakenBack(place, 1))
    assert (outcome.version, outcome.verdict) == ("v3", "pass")
    assert (roles(place).champion, roles(place).shadow) == ("v1", None)
    said = f"its training began at generation {began}, v1 became champion at {began + 1}"
    assert said in place.told_of("rollout")[-1]
    assert delivery.train_run(place, Timeless(place, 2)).verdict == "pass"
    assert (roles(place).champion, roles(place).shadow) == ("v1", "v4")


def test_a_fault_while_it_is_judged_leaves_no_version_validating(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed(place)

    def down(*_: Any) -> Any:
        raise UnavailableError("Asking the prediction service: it is down.", code="down")

    with monkeypatch.context() as patch:
        patch.setattr(place.serving, "probe", down)
        with pytest.raises(UnavailableError):
            delivery.train_run(place, Here(place))
    assert place.ledger.version("late", "v1").fitness is Fitness.INCONCLUSIVE
    delivery.train_run(place, Here(place, 2))
    assert roles(place).champion == "v2"
    place.clock.passes(days=30)
    ingest(place, "late", place.drop("2.csv", csv(2, start=START)))
    place.settings.models["late"].gate.slices.append("nowhere")
    with pytest.raises(InvalidError):
        delivery.train_run(place, Here(place, 3))
    assert place.ledger.version("late", "v3").fitness is Fitness.INCONCLUSIVE
