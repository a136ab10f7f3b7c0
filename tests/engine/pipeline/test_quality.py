"""What is wrong with rows and labels is counted, said with its n, and shown worst first."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.artifacts import ManifestFeature
from engine.domain.lifecycle import Event
from engine.pipeline import quality, quality_page
from engine.pipeline.ingest import ingest
from engine.pipeline.look import Look, look_at
from engine.pipeline.promote import promote
from engine.stats.profile import numeric_profile
from engine.store import labels, predictions, profiles, scores
from engine.store.labels import LabelRow
from engine.store.predictions import Block
from engine.store.scores import Score
from engine.wire import Change
from tests.engine.pipeline.place import PERSON, Place

WIND = ManifestFeature("wind", "numeric", nullable=True, low=0.0, high=10.0)
KIND = ManifestFeature("kind", "categorical", nullable=False, categories=["a", "b"])
WINDY = ManifestFeature("windy", "boolean", nullable=False)


def looked(
    place: Place, rows: list[dict[str, Any]], known: Sequence[LabelRow] = ()
) -> dict[str, Score]:
    """Promote a champion, store rows of its last hours, look, and return the measures by name.

    A row says what is special about it: `f` for features, `id`, `ts`, `received`, `version`.
    """
    v1 = place.version(Event.VALIDATION_BEGAN, Event.GATE_PASSED, features=(WIND, KIND, WINDY))
    promote(place, "late", PERSON, Change("made v1", to=v1))
    frozen = numeric_profile(np.array([1.0, np.nan, 3, 4, 5, 6, 7, 8, 9, 9.5]), [5.0])
    profiles.keep(place.store, "late", v1, {"wind": msgspec.json.encode(frozen).decode()})
    place.clock.passes(days=3)
    stored = [
        (
            "late",
            f"p{at}",
            row.get("id", f"r{at}"),
            *when(place, row, at),
            "ada",
            1,
            row.get("version", v1),
            "champion",
            msgspec.json.encode(
                {"wind": at % 10, "kind": "a", "windy": True} | row.get("f", {})
            ).decode(),
            "[0.5]",
            "true",
            row.get("flags", ""),
            1.0,
        )
        for at, row in enumerate(rows)
    ]
    predictions.load(place.store, Block(stored, [], [], {}))
    labels.add(place.store, known)
    place.clock.passes(hours=1)
    found = quality.measured(place, look(place))
    scores.put(place.store, found, place.clock.now())
    return {s.name: s for s in found}


def look(place: Place) -> Look:
    return look_at("late", "v1", place.model("late"), place.clock.now())


def when(place: Place, row: dict[str, Any], at: int) -> tuple[str, str]:
    """When row `at` is dated and was received: a second apart, at once."""
    usual = place.clock.now() - timedelta(seconds=1000 - at) - timedelta(days=row.get("days", 0))
    received = usual + timedelta(days=row.get("received_days", 0))
    return plain(usual), plain(received)


def plain(moment: Any) -> str:
    return moment.replace(tzinfo=None).isoformat()


def detail(score: Score) -> quality.QualityDetail:
    return msgspec.json.decode(score.detail or "", type=quality.QualityDetail)


ROWS = 400


def test_good_rows_have_no_column_to_tell_and_nothing_wrong(place: Place) -> None:
    found = looked(place, [{} for _ in range(ROWS)])
    assert not [name for name in found if name.split(" ")[0] in ("nulls", "range", "unseen")]
    assert (found["schema"].value, found["schema"].n) == (0.0, ROWS)
    assert found["repeated ids"].value == found["out of order"].value == 0.0
    page = quality_page.page(place, "late")
    assert page.version == "v1"
    assert not [r for r in page.rows if r.wrong]


def test_columns_are_told_where_they_have_what_training_had_not(place: Place) -> None:
    rows: list[dict[str, Any]] = [{} for _ in range(ROWS)]
    for at in range(200):
        rows[at] = {"f": {"wind": None}}
    for at in range(200, 240):
        rows[at] = {"f": {"wind": 12.5}, "flags": "range:wind"}
    for at in range(240, 250):
        rows[at] = {"f": {"wind": -999.0}}
    for at in range(250, 350):
        rows[at] = {"f": {"kind": "zebra"}}
    found = looked(place, rows)
    assert (found["nulls wind"].value, detail(found["nulls wind"]).expected) == (0.5, 0.1)
    assert detail(found["nulls wind"]).limit == pytest.approx(0.35)
    assert (found["nulls wind"].low or 0.0) > 0.35
    assert found["range wind"].value == 50 / ROWS
    assert detail(found["range wind"]).found == "-999 to 12.5, training 0 to 10"
    assert found["far out wind"].value == 10 / ROWS
    assert found["unseen kind"].value == 0.25
    assert found["flagged"].value == 0.1
    page = quality_page.page(place, "late")
    wrong = [r.name for r in page.rows if r.wrong]
    assert wrong == ["nulls wind", "unseen kind", "far out wind"]
    assert [r.name for r in page.rows][:3] == wrong
    assert all(r.next for r in page.rows if r.wrong)


def test_a_column_that_is_right_again_is_not_shown(place: Place) -> None:
    looked(place, [{"f": {"wind": None}} for _ in range(ROWS)])
    assert quality_page.page(place, "late").rows[0].name == "nulls wind"
    place.clock.passes(days=30)
    scores.put(place.store, quality.measured(place, look(place)), place.clock.now())
    page = quality_page.page(place, "late")
    assert not [r for r in page.rows if r.column]
    assert page.rows[0].missing == "not enough: 0 of 200"


def test_rows_of_another_contract_count_as_that_and_as_nothing_else(place: Place) -> None:
    rows: list[dict[str, Any]] = [{} for _ in range(300)]
    rows += [{"version": "v0", "f": {"more": 1}} for _ in range(100)]
    found = looked(place, rows)
    assert found["schema"].value == 0.25
    assert "nulls wind" not in found


def test_repeated_ids_and_identical_rows_are_shares_of_all(place: Place) -> None:
    rows = [{"id": "same", "f": {"wind": at / 100}} for at in range(100)]
    rows += [{"f": {"wind": 5.5}} for at in range(300)]
    found = looked(place, rows)
    assert found["repeated ids"].value == 99 / ROWS
    assert found["identical rows"].value == 299 / ROWS + 0.0


def test_times_are_held_against_receipt(place: Place) -> None:
    rows: list[dict[str, Any]] = [{} for _ in range(ROWS)]
    for at in range(40):
        rows[at] = {"received_days": -1}
    for at in range(40, 60):
        rows[at] = {"received_days": -8}
    for at in range(60, 90):
        rows[at] = {"received_days": 9}
    found = looked(place, rows)
    assert found["ahead of time"].value == 60 / ROWS
    assert found["future times"].value == 20 / ROWS
    assert found["old times"].value == 30 / ROWS
    assert found["out of order"].value is not None
    assert found["out of order"].value > 0.0
    place.ledger.set_meta("sim_now", "2013-01-01T00:00:00Z")
    replayed = {s.name: s for s in quality.measured(place, look(place))}
    assert replayed["old times"].value is replayed["out of order"].value is None


def labelled(place: Place, at: int, value: str | None, **delay: float) -> LabelRow:
    """The label of row `at` that became known after a delay."""
    ts = place.clock.now() + timedelta(days=3) - timedelta(seconds=1000 - at, days=2)
    known = plain(ts + timedelta(**delay))
    return LabelRow("late", f"r{at}", known, value, known)


def test_label_coverage_delay_and_order_are_measured_on_mature_rows(place: Place) -> None:
    known = [labelled(place, at, "true", hours=2) for at in range(200)]
    known += [labelled(place, at, "true", hours=30) for at in range(200, 240)]
    known += [labelled(place, at, "false", hours=-1) for at in range(240, 260)]
    known += [labelled(place, at, None, hours=1) for at in range(260, 300)]
    known += [
        LabelRow("late", f"x{at}", plain(place.clock.now()), "true", plain(place.clock.now()))
        for at in range(100)
    ]
    found = looked(place, [{"days": 2} for _ in range(ROWS)], known)
    assert (found["label coverage"].value, found["label coverage"].n) == (260 / 360, 360)
    assert detail(found["label coverage"]).found == "40 will never have one"
    assert (found["late labels"].value, found["late labels"].n) == (40 / 260, 260)
    assert found["early labels"].value == 20 / 260
    assert found["label delay p50"].value == 7200.0
    assert found["label delay p90"].value == 30 * 3600.0
    page = {r.name: r for r in quality_page.page(place, "late").rows}
    assert (page["unknown labels"].value, page["unknown labels"].n) == (0.25, 400)
    wrong = {r.name for r in page.values() if r.wrong}
    assert wrong == {"label coverage", "late labels", "early labels"}


def test_logged_rows_are_held_against_the_delivered_ones(place: Place) -> None:
    place.judging = False  # this is about the look, not about what may come in
    day = place.clock.now() + timedelta(days=1)
    lines = ["id,t,wind,kind,windy,late"]
    for at in range(ROWS):
        wind = (at % 10 + (0.5 if at < 20 else 0.0)) * (1 + 1e-12)
        kind = "" if at < 40 else "a"
        lines.append(f"r{at},{plain(day)},{-1e308 if at == 50 else wind!r},{kind},true,false")
    ingest(place, "late", place.drop("a.csv", "\n".join(lines) + "\n"))
    rows: list[dict[str, Any]] = [{"days": 2} for _ in range(ROWS)]
    rows[50]["f"] = {"wind": 1e308}
    found = looked(place, rows)
    assert (found["skew wind"].value, found["skew wind"].n) == (21 / ROWS, ROWS)
    assert found["skew kind"].value == 40 / ROWS
    assert "skew windy" not in found
    assert found["skew"].value == 41 / ROWS


@pytest.mark.parametrize("n", [0, 1, 199])
def test_too_few_rows_are_said_and_have_no_value(place: Place, n: int) -> None:
    found = looked(place, [{"f": {"wind": None}} for _ in range(n)])
    assert {s.value for s in found.values()} == {None}
    page = quality_page.page(place, "late")
    assert not [r for r in page.rows if r.wrong]
    assert f"not enough: {n} of 200" in {r.missing for r in page.rows}


def test_numbers_that_no_float_holds_and_odd_names_break_nothing(place: Place) -> None:
    rows: list[dict[str, Any]] = [{"f": {"wind": 1e308}} for _ in range(ROWS)]
    found = looked(place, rows)
    assert found["far out wind"].value == 1.0
    assert detail(found["range wind"]).found.startswith("1e+308")


def test_what_is_delivered_after_a_look_is_no_part_of_it(place: Place) -> None:
    place.judging = False  # this is about the look, not about what may come in
    before = looked(place, [{"days": 2} for _ in range(ROWS)])
    then = look(place)
    place.clock.passes(minutes=1)
    lines = [f"r{at},{plain(then.at - timedelta(days=2))},0.5,a,true,false" for at in range(ROWS)]
    text = "\n".join(["id,t,wind,kind,windy,late", *lines]) + "\n"
    ingest(place, "late", place.drop("a.csv", text))
    again = {s.name: s for s in quality.measured(place, then)}
    assert again == before
    assert before["skew"].n == 0
    later = {s.name: s for s in quality.measured(place, look(place))}
    assert later["skew"].n == ROWS


def test_the_same_rows_give_the_same_bytes_in_any_number_of_looks(place: Place) -> None:
    looked(place, [{"f": {"wind": None}} for _ in range(ROWS)])
    once = quality.measured(place, look(place))
    assert quality.measured(place, look(place)) == once


def test_without_a_champion_or_a_look_the_page_says_why_it_is_empty(place: Place) -> None:
    assert quality_page.page(place, "late").missing == "no champion yet"
    place.champions(0.5)
    assert "cdml monitor late" in quality_page.page(place, "late").missing
