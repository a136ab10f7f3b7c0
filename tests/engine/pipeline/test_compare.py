"""Two versions on the same rows: each difference with its n, a sentence where rows are too few."""

from datetime import timedelta

import msgspec
import numpy as np
import pytest

from engine.errors import CdmlError, InvalidError
from engine.ledger.change import ENGINE
from engine.pipeline import compare, measurement, scoring
from engine.pipeline.ingest import ingest
from engine.pipeline.measurement import Held
from engine.pipeline.scoring import ValidateInputs
from tests.engine.pipeline.place import START, Place, csv
from tests.engine.pipeline.test_recall import two_versions
from tests.engine.pipeline.test_training import Here


def compared(place: Place, a: str, b: str):
    inputs = compare.gather(place, "late", a, b)
    found = Here(place, 9).work("validate", inputs, scoring.ValidateResult)
    return compare.answer(place, "late", a, b, inputs, found)


def test_both_are_measured_on_rows_newer_than_both_trainings(place: Place) -> None:
    two_versions(place)
    head = place.ledger.audit_head()
    found = compared(place, "v1", "v2")
    assert place.ledger.audit_head() == head
    assert (found.a, found.b, found.missing) == ("v1", "v2", "") or found.n < 100
    assert found.since == max(v.trained_to for v in place.ledger.versions("late") if v.trained_to)
    names = {line.name: line for line in found.lines}
    assert {"log_loss", "cost", "calibration error", "mean difference of answers"} <= set(names)
    metric = names["log_loss"]
    assert metric.value == pytest.approx((found.values["v1"] or 0) - (found.values["v2"] or 0))
    assert metric.n == found.n > 0
    assert metric.low is not None
    assert 0.0 <= (names["share of decisions that change"].value or 0.0) <= 1.0
    mean, most = (names[f"{k} difference of answers"].value for k in ("mean", "largest"))
    assert 0.0 < (mean or 0.0) <= (most or 0.0)
    only = [names[f"rows that only {v} decides right"].value or 0.0 for v in ("v1", "v2")]
    assert sum(only) == pytest.approx(
        (names["share of decisions that change"].value or 0) * metric.n
    )
    assert ("p of as much by chance (McNemar)" in names) == (sum(only) > 0)
    turned = compared(place, "v2", "v1")
    assert turned.lines[0].value == pytest.approx(-(metric.value or 0.0))


def test_too_few_rows_are_a_sentence_and_the_numbers_there_are(place: Place) -> None:
    two_versions(place)
    inputs = compare.gather(place, "late", "v1", "v2")
    later = msgspec.structs.replace(inputs, since="2024-03-27T00:00:00Z")
    found = scoring.score(later, lambda *_: None)
    answer = compare.answer(place, "late", "v1", "v2", later, found)
    assert (answer.n, answer.lines) == (0, [])
    assert answer.missing.startswith("0 rows with a mature label are newer than what v1 and v2")
    assert answer.missing.endswith("or deliver labels.")


def test_a_version_with_itself_or_without_files_is_not_compared(place: Place) -> None:
    place.champions(0.5)
    with pytest.raises(InvalidError, match="with itself"):
        compare.gather(place, "late", "v1", "v1")
    now = place.clock.now()
    with place.ledger.change(ENGINE, "register", "late", now=now, wall=now) as change:
        change.add_version("r9", "2024-03-01T00:00:00Z")
    with pytest.raises(CdmlError) as found:
        compare.gather(place, "late", "v1", "v2")
    assert found.value.code == "not_loadable"


def test_trivial_baselines_answer_with_what_was_known_at_the_moment(place: Place) -> None:
    two_versions(place)
    place.clock.passes(days=9)
    ingest(place, "late", place.drop("3.csv", csv(3, start=START + timedelta(days=25))))
    inputs: ValidateInputs = compare.gather(place, "late", "v1", "v2")
    found = scoring.score(inputs, lambda *_: None)
    assert set(found.against) == {"champion", "base rate", "last value", "same time last week"}
    slow = msgspec.structs.replace(inputs, maturity_s=8 * 86_400.0)
    assert "same time last week" not in scoring.score(slow, lambda *_: None).against


def test_a_group_column_is_drawn_as_one(place: Place) -> None:
    two_versions(place)
    inputs = compare.gather(place, "late", "v1", "v2")
    by_kind = msgspec.structs.replace(inputs, group="kind")
    found = scoring.score(by_kind, lambda *_: None)
    assert (found.blocks, found.block) == (3, "groups")


def test_rows_that_only_one_decides_right_are_counted_each_at_its_own_threshold() -> None:
    labels = np.array([1, 1, 1, 0, 0])
    held = Held("binary", "log_loss", labels, np.arange(5), {})
    one, other = (
        np.array(a)[:, None] for a in ([0.9, 0.8, 0.7, 0.1, 0.9], [0.9, 0.1, 0.3, 0.1, 0.1])
    )
    found = measurement.differences("binary", one, other, (0.5, 0.25))
    found = msgspec.structs.replace(
        found, right=measurement.only_right(held, one, other, (0.5, 0.25))
    )
    assert (found.right, found.changed) == ((1, 1), pytest.approx(0.4))
    names = {c.name: c for c in compare._apart("v1", "v2", found, 5)}
    assert names["rows that only v2 decides right"].value == 1
    assert (
        names["p of as much by chance (McNemar)"].value,
        names["p of as much by chance (McNemar)"].n,
    ) == (1.0, 2)
