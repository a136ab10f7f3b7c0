"""Hours are counted once, and again when rows came; what is measured never depends on how often."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.errors import UnknownError
from engine.pipeline import drift_page, drifting, references
from engine.pipeline.look import Look, look_at
from engine.stats import profile, tally
from engine.store import hours, labels, predictions, profiles, scores
from engine.store.labels import LabelRow
from engine.store.predictions import Block
from engine.wire import DriftColumn
from tests.engine.pipeline.place import SETTINGS, START, Place
from tests.engine.stats.counted import value_cells

KINDS = ["a", "b", "c"]


def frozen(place: Place, version: str, n: int = 2000) -> None:
    """Freeze references of two features, the score, its slices, the labels and the weights."""
    rng = np.random.default_rng(5)
    wind = np.round(rng.normal(10, 3, n), 1)
    kind = np.array([KINDS[k] for k in rng.integers(3, size=n)], dtype=object)
    features = {
        "wind": references.reference_profile(wind, numeric=True),
        "kind": references.reference_profile(kind, numeric=False),
    }
    profiles.keep(place.store, "late", version, features)
    table = {"wind": wind, "kind": kind}
    times = np.full(n, np.datetime64("2023-03-05", "us"))
    score = rng.random((n, 1))
    parts = references.answers("binary", ["false", "true"], score, {"kind": kind})
    parts |= references.labels("binary", ["false", "true"], rng.integers(2, size=n))
    parts |= references.months(features, table, times)
    parts |= {references.IMPORTANCE: {"wind": "0.02", "kind": "0.3"}}
    for part, found in parts.items():
        profiles.keep(place.store, "late", version, found, part)


def sent(
    place: Place, begin: datetime, values: Sequence[Any], *, hours_long: float = 24.0,
    client: str | None = None, labelled: bool = False, kind: str | None = None,
) -> None:  # fmt: skip
    """Store one row a value, evenly over some hours, as the champion answered it."""
    rng = np.random.default_rng(len(values))
    tag, rows, known = place.store.changes, [], []
    for at, value in enumerate(values):
        ts = begin + timedelta(hours=hours_long * at / len(values))
        moment = ts.replace(tzinfo=None).isoformat()
        row = {"wind": value, "kind": kind or KINDS[int(rng.integers(3))]}
        name = f"{tag}-{at}"
        rows.append(
            ("late", name, name, moment, moment, client, 1, "v1", "champion", json.dumps(row),
             f"[{float(rng.random())}]", "true", "", 1.0)
        )  # fmt: skip
        known.append(LabelRow("late", name, moment, "true" if at % 2 else "false", moment))
    predictions.load(place.store, Block(rows, [], [], {}))
    if labelled:
        labels.add(place.store, known)


def look(place: Place, at: datetime) -> Look:
    return look_at("late", "v1", place.model("late"), at)


def columns(place: Place, at: datetime) -> dict[str, DriftColumn]:
    found = drifting.measured(place, look(place, at))
    return {s.name: msgspec.json.decode(s.detail or "", type=DriftColumn) for s in found}


def normal(seed: int, n: int, shift: float = 0.0) -> list[float]:
    return [float(v) for v in np.round(np.random.default_rng(seed).normal(10 + shift, 3, n), 1)]


@pytest.fixture
def champion(place: Place) -> Place:
    place.champions(0.5)
    frozen(place, "v1")
    return place


def test_the_database_counts_tied_values_as_numpy_does(champion: Place) -> None:
    values = [*normal(1, 400), 0, -5e-324, 1e308, -1e308, None, 7.1, 7.1]
    sent(champion, START, values, hours_long=20)
    bins = references.bins_of(champion.store, "late", "v1")
    key = ("feature", "wind")
    hours.renew(champion.store, bins, START, START + timedelta(days=1))
    found = hours.window(champion.store, bins, START, START + timedelta(days=1))
    numbers = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    wanted = value_cells(bins.frozen[key], numbers)  # type: ignore[arg-type]
    assert found.cells[bins.places[key]].tolist() == wanted.tolist()
    kept = bins.frozen[key]
    assert isinstance(kept, profile.NumericProfile)
    finite = numbers[np.isfinite(numbers)]
    assert wanted[tally.NUMERIC_HEAD :].tolist() == profile.bin_counts(finite, kept.edges).tolist()


def test_a_window_holds_exactly_its_rows_whatever_the_hour(champion: Place) -> None:
    sent(champion, START, normal(1, 600), hours_long=10)
    bins = references.bins_of(champion.store, "late", "v1")
    for since, until in ((0, 600), (17, 18), (17, 75), (59, 61), (60, 120), (17, 555)):
        span = (START + timedelta(minutes=since), START + timedelta(minutes=until))
        hours.renew(champion.store, bins, *span)
        found = hours.window(champion.store, bins, *span)
        place = bins.places["feature", "wind"]
        one = tally.profile_of(bins.frozen["feature", "wind"], found.cells[place], {})
        assert one.n == until - since


def test_late_rows_are_counted_and_probes_never(champion: Place) -> None:
    sent(champion, START, normal(1, 300))
    at = START + timedelta(days=1, hours=2)
    assert columns(champion, at)["wind"].n_current == 300
    sent(champion, START, normal(2, 50), client="cdml-probe")
    sent(champion, START, normal(3, 40))
    assert columns(champion, at)["wind"].n_current == 340


def test_what_is_measured_in_steps_is_byte_for_byte_what_is_made_again(champion: Place) -> None:
    steps = []
    for day in range(6):
        sent(champion, START + timedelta(days=day), normal(day, 150, 2.5 if day > 2 else 0.0))
        at = START + timedelta(days=day + 1, minutes=7 * day)
        drifting.measured(champion, look(champion, at))
        steps.append(at)
    sent(champion, START + timedelta(days=3), normal(77, 30))  # rows that came late
    stepwise = [drifting.measured(champion, look(champion, at)) for at in steps]
    again = [drifting.measured(champion, look(champion, at)) for at in steps]
    hours.forget(champion.store, "late")
    at_once = [drifting.measured(champion, look(champion, at)) for at in reversed(steps)][::-1]
    assert stepwise == again == at_once
    assert msgspec.json.decode(stepwise[-1][1].detail or "", type=DriftColumn).evidence


def test_drift_is_an_effect_with_evidence_and_ends(champion: Place) -> None:
    said = []
    for day in range(12):
        shift = 6.0 if 3 <= day < 8 else 0.0
        sent(champion, START + timedelta(days=day), normal(day, 250, shift))
        said.append(columns(champion, START + timedelta(days=day + 1))["wind"])
    assert [d for d, c in enumerate(said) if c.drifted] == [4, 5, 6, 7, 8, 9]
    assert said[5].evidence_since == "2024-03-04"
    assert said[5].evidence >= said[5].evidence_needed  # type: ignore[operator]
    assert said[-1].evidence_since is None


def test_each_number_says_which_reference_it_is_against(champion: Place) -> None:
    year = START - timedelta(days=365)
    sent(champion, START, normal(1, 300, 3.0))
    found = columns(champion, START + timedelta(days=1))["wind"].references
    assert [r.against for r in found] == ["training", "recent", "season"]
    assert found[0].psi and found[0].psi > 0.5 and found[0].ks  # noqa: PT018
    assert found[1].missing.startswith("not enough values in the reference: 0 of 200")
    assert found[2].of == "training rows of 2023-02, 2023-03"
    assert found[2].n == 2000
    assert found[2].psi and found[2].psi > 0.5  # noqa: PT018
    sent(champion, year, normal(2, 300, 3.0))
    sent(champion, START - timedelta(days=7), normal(3, 300))
    found = columns(champion, START + timedelta(days=1))["wind"].references
    assert found[1].n == 300
    assert found[2].of.startswith("2023-02-24 00:00..")
    assert found[2].psi and found[2].psi < 0.2  # noqa: PT018


def test_score_labels_and_slices_are_measured_beside(champion: Place) -> None:
    sent(champion, START, normal(1, 900), labelled=True)
    found = drifting.measured(champion, look(champion, START + timedelta(days=2, hours=1)))
    kinds = {(s.kind, s.name): s for s in found}
    assert kinds["score drift", "score"].value is not None
    assert kinds["label drift", "label"].value == pytest.approx(0.0, abs=0.01)
    assert {s.name for s in found if s.kind == "slice drift"} == {"kind=a", "kind=b", "kind=c"}
    slices = [s for s in found if s.kind == "slice drift"]
    assert sum(s.n for s in slices) == kinds["score drift", "score"].n == 900
    damage = msgspec.json.decode(kinds["drift", "kind"].detail or "", type=DriftColumn)
    assert damage.damage == pytest.approx(0.3 * (damage.psi or 0.0))


def test_of_many_classes_the_decided_one_is_compared(champion: Place) -> None:
    held = np.eye(3)[np.arange(900) % 3]
    names = ["true", "false", "maybe"]
    kinds = np.array([KINDS[n % 3] for n in range(900)], dtype=object)
    for part, found in references.answers("multiclass", names, held, {"kind": kinds}).items():
        profiles.keep(champion.store, "late", "v1", found, part)
    sent(champion, START, normal(1, 900))
    at = START + timedelta(days=1)
    score = columns(champion, at)["score"]
    assert (score.kind, score.n_current, score.bins) == ("categorical", 900, 3)
    assert score.psi and score.psi > 1.0  # noqa: PT018 - "true" is decided every time
    assert columns(champion, at)["kind=a"].n_current > 200


def test_labels_drift_with_evidence_of_whole_days(champion: Place) -> None:
    for day in range(4):
        sent(champion, START + timedelta(days=day), normal(day, 150), labelled=True)
    at = START + timedelta(days=5, hours=3)
    still = columns(champion, at)["label"]
    assert (still.drifted, still.evidence is not None) == (False, True)
    with champion.store.write() as db:
        db.execute("update labels set value = 'true'")
    moved = columns(champion, at)["label"]
    assert moved.drifted
    assert moved.evidence_needed == pytest.approx(365 * (6 + 1) / 0.05)


def test_without_a_full_period_and_window_nothing_is_sure(champion: Place) -> None:
    sent(champion, START, normal(1, 400, 20.0))
    found = columns(champion, START + timedelta(hours=23))["wind"]
    assert found.psi and found.psi > 1.0  # noqa: PT018
    assert (found.evidence, found.drifted) == (None, False)
    assert found.evidence_needed == pytest.approx((6 + 1) / 0.05)
    # One day of a week is of one weekday: that it is not like training says nothing yet.
    assert not columns(champion, START + timedelta(hours=24))["wind"].drifted
    for day in range(1, 6):
        sent(champion, START + timedelta(days=day), normal(day, 100, 20.0))
    assert columns(champion, START + timedelta(days=6))["wind"].drifted


@pytest.mark.parametrize(
    "reference",
    [[], [None] * 300, [1.0] * 300, [7.0], [float("inf")] * 300, [1e308, -1e308] * 150],
)
@pytest.mark.parametrize("now", [[], [None] * 300, [1.0] * 300, [5.0], [1e308, -1e308] * 150])
def test_awkward_columns_have_an_answer(tmp_path: Path, reference: Any, now: Any) -> None:
    place = Place.made(tmp_path / "w")
    place.champions(0.5)
    numbers = np.array([np.nan if v is None else v for v in reference], dtype=np.float64)
    frozen_one = references.reference_profile(numbers, numeric=True)
    profiles.keep(place.store, "late", "v1", {"wind": frozen_one})
    if now:
        sent(place, START, now)
    (score,) = drifting.measured(place, look(place, START + timedelta(days=1, hours=1)))
    column = msgspec.json.decode(score.detail or "", type=DriftColumn)
    assert (score.value is None) == bool(column.missing)
    assert score.n == len(now)
    assert "NaN" not in (score.detail or "")
    assert "null" not in json.dumps([column.n_reference, column.n_current])
    place.close()


def test_a_column_that_changes_its_type_is_counted_as_missing_or_unseen(champion: Place) -> None:
    sent(champion, START, ["strong"] * 300, kind="7")
    found = columns(champion, START + timedelta(days=1, hours=1))
    assert (found["wind"].psi, found["wind"].null_rate_current) == (None, 1.0)
    assert found["wind"].missing == "not enough values now: 0 of 200"
    assert found["kind"].unseen_current == {"7": 300}
    assert found["kind"].new_categories == ["7"]


def test_ten_thousand_categories_are_counted_the_commonest_by_name(champion: Place) -> None:
    for part in range(4):
        rows = [f"c{part}-{n // 2}" for n in range(500)]
        for_kind = references.reference_profile([f"k{n}" for n in range(10_000)], numeric=False)
        if part == 0:
            profiles.keep(champion.store, "late", "v1", {"kind": for_kind})
        for name in rows[:20]:
            sent(champion, START + timedelta(hours=part), [1.0], kind=name, hours_long=0.5)
    sent(champion, START, [1.0] * 300, kind="k77")
    found = columns(champion, START + timedelta(days=1))["kind"]
    assert found.n_current == 380
    assert sum(found.unseen_current.values()) == 80
    assert found.psi is not None


def test_without_rows_there_is_nothing_but_the_reason(champion: Place) -> None:
    found = columns(champion, START)
    assert {c.psi for c in found.values()} == {None}
    assert all(c.missing for c in found.values())
    assert not any(c.drifted for c in found.values())


def test_two_models_do_not_mix(tmp_path: Path) -> None:
    place = Place.made(tmp_path / "w", SETTINGS + SETTINGS.replace("models.late", "models.other"))
    place.champions(0.5)
    frozen(place, "v1")
    sent(place, START, normal(1, 300))
    bins = references.bins_of(place.store, "other", "v1")
    assert bins.frozen == {}
    assert columns(place, START + timedelta(days=1))["wind"].n_current == 300
    hours.forget(place.store, "other")
    known = references.bins_of(place.store, "late", "v1")
    assert hours.known(place.store, known, START, START + timedelta(days=1))
    place.close()


def test_a_column_is_drawn_from_the_counts_that_its_distance_is_measured_on(
    champion: Place,
) -> None:
    sent(champion, START, [*normal(3, 700, 4.0), None], kind="new")
    found = look(champion, START + timedelta(days=1, minutes=20))
    moment = START + timedelta(days=1)
    scores.put_look(champion.store, "late", moment, drifting.measured(champion, found))
    wind = drift_page.shape(champion, "late", "feature", "wind")
    assert len(wind.reference) == len(wind.current) == len(wind.edges) + 1 <= 23
    assert (sum(wind.reference), sum(wind.current), wind.nulls_current) == (2000, 700, 1)
    assert wind.current[-1] > 0.02 * 700 > 700 * wind.reference[-1] / 2000
    kind = drift_page.shape(champion, "late", "feature", "kind")
    assert kind.names[0] == "new"
    assert (kind.reference[0], kind.current[0]) == (0, 701)
    score = drift_page.shape(champion, "late", "score", "score")
    assert sum(score.current) == 701
    assert "not counted" in drift_page.shape(champion, "late", "label", "label").missing
    with pytest.raises(UnknownError, match="cdml drift late"):
        drift_page.shape(champion, "late", "feature", "nothing")


def test_before_the_first_look_a_column_says_what_to_do(champion: Place) -> None:
    assert "cdml monitor" in drift_page.shape(champion, "late", "feature", "wind").missing
