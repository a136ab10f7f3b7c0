"""What is watched is stored with its n; a breach is told once; a champion proves itself."""

from pathlib import Path
from typing import Any

import msgspec

from engine.domain.lifecycle import Fitness
from engine.ledger.change import ENGINE
from engine.pipeline import (
    alerts,
    delivery,
    drift_page,
    overview,
)
from engine.pipeline.ingest import ingest
from engine.pipeline.monitor import monitor
from engine.pipeline.references import reference_profile
from engine.store import profiles, scores
from tests.engine.pipeline.place import SETTINGS, Place, csv


def watched(place: Place, **answers: float) -> str:
    """A champion in service for six days, then one look at it."""
    ingest(place, "late", place.drop("a.csv", csv()))
    (v1,) = place.champions(0.3)
    frozen = reference_profile([5.0 + n % 7 for n in range(700)], numeric=True)
    profiles.keep(place.store, "late", v1, {"wind": frozen})
    place.clock.passes(days=6)
    place.answered(v1, n=300, days=5, **answers)  # type: ignore[arg-type]
    place.clock.passes(days=1, minutes=1)
    return monitor(place, "late")


class Watching:
    """A monitoring run; it needs no process."""

    id, model, folder = "r1", "late", Path()

    def work(self, verb: str, inputs: Any, answer: Any) -> Any:
        raise AssertionError(verb)

    def say(self, note: str) -> None:
        raise AssertionError(note)


def breach(place: Place) -> list[str]:
    return [alerts.called(a) for a in alerts.standing(place, "late")]


def test_every_number_is_stored_with_its_n_and_window(place: Place) -> None:
    said = watched(place, score=0.3)
    served = {s.name: s for s in scores.latest(place.store, "late", "realised", "served")}
    assert served["log_loss"].n == 300
    assert served["log_loss"].low is not None
    assert served["log_loss"].window_to < place.clock.now()
    cost = {s.version: s.value for s in scores.latest(place.store, "late", "kpi")}
    assert cost["served"] == cost["never act"]
    assert cost["always act"] is not None
    (drift,) = scores.latest(place.store, "late", "drift", "v1")
    assert (drift.name, drift.n) == ("wind", 300)
    assert said.startswith("log_loss 0.6")
    assert breach(place) == []


def test_a_breach_is_told_once_until_it_ends(place: Place) -> None:
    watched(place, late=0.9, score=0.1)
    told = place.told_of("alert")
    assert len(told) == 1
    assert "log_loss" in told[0]
    assert "cost" in told[0]
    monitor(place, "late")
    monitor(place, "late")
    assert place.told_of("alert") == told
    assert breach(place) == ["log_loss", "cost"]
    place.clock.passes(days=7)
    place.answered("v1", n=300, days=5, late=0.1, score=0.1)
    place.clock.passes(days=1, minutes=1)
    monitor(place, "late")
    assert breach(place) == ["cost"]  # a KPI has no interval: one good look is not sure
    place.clock.passes(hours=6)
    monitor(place, "late")
    assert place.told_of("alert")[1:] == [
        "log_loss: within its limit again",
        "all within limits again",
    ]
    assert breach(place) == []


def test_inputs_that_moved_are_a_breach_of_their_own(place: Place) -> None:
    watched(place, score=0.3, wind=60.0)
    assert breach(place)[0] == "drift wind"
    assert "drift wind psi" in place.told_of("alert")[0]


def test_what_newly_crossed_a_limit_asks_for_a_training_once(place: Place) -> None:
    settings = place.model("late")
    train = msgspec.structs.replace(settings.train, on=["drift", "performance"])
    changed = {"late": msgspec.structs.replace(settings, train=train)}
    place.settings = msgspec.structs.replace(place.settings, models=changed)
    place.champions(0.3)
    place.clock.passes(days=6)
    place.answered("v1", n=300, days=5, late=0.9, score=0.1)
    place.clock.passes(days=1, minutes=1)
    first = delivery.monitor_run(place, Watching())
    assert first.train_because == ("cost, log_loss over its limit",)
    # An engine that died before it could queue the training is asked for it again.
    assert delivery.monitor_run(place, Watching()).train_because == first.train_because
    delivery.note_asked(place, "late", first.asked or ())
    assert delivery.monitor_run(place, Watching()).train_because == ()


def test_a_champion_is_proven_by_hours_requests_and_labels_together(place: Place) -> None:
    (v1,) = place.champions(0.3)
    place.clock.passes(hours=1)
    place.answered(v1, n=40, days=0.01, score=0.3)
    place.clock.passes(hours=22)
    monitor(place, "late")
    assert place.ledger.version("late", v1).fitness is Fitness.BLESSED
    place.answered(v1, n=120, days=0.5, score=0.3)
    place.clock.passes(hours=2)
    monitor(place, "late")
    assert place.ledger.version("late", v1).fitness is Fitness.BLESSED  # labels are unripe
    place.clock.passes(hours=24)
    monitor(place, "late")
    assert place.ledger.version("late", v1).fitness is Fitness.PROVEN


def test_a_champion_in_breach_proves_nothing(place: Place) -> None:
    watched(place, late=0.9, score=0.1)
    assert place.ledger.version("late", "v1").fitness is Fitness.BLESSED


def test_too_few_rows_are_no_number(place: Place) -> None:
    (v1,) = place.champions(0.3)
    place.clock.passes(days=2)
    place.answered(v1, n=50, days=0.5)
    place.clock.passes(days=1, minutes=1)
    monitor(place, "late")
    served = scores.latest(place.store, "late", "realised", "served")
    assert {(s.value, s.n) for s in served} == {(None, 50)}
    assert breach(place) == []


def test_without_a_champion_there_is_nothing_to_watch(place: Place) -> None:
    assert monitor(place, "late") == "no champion yet"


def sliced(tmp_path: Path, limit: str) -> Place:
    """A champion in service that answers most rows well and those of one kind badly."""
    settings = SETTINGS.replace('holdout = "3d"', 'holdout = "3d"\nslices = ["kind", "gone"]')
    place = Place.made(tmp_path, settings.replace("metric_limit = 0.8\n", limit))
    (v1,) = place.champions(0.3)
    place.clock.passes(days=6)
    for kind, n, late in (("a", 1500, 0.1), ("b", 150, 0.9), ("c", 300, 0.9)):
        place.answered(
            v1, n=n, days=5, late=late, score=0.1, features=f'{{"wind":5.0,"kind":"{kind}"}}'
        )
    place.clock.passes(days=1, minutes=1)
    return place


def test_a_slice_that_stays_beyond_the_limit_is_a_breach_and_named(tmp_path: Path) -> None:
    place = sliced(tmp_path, "metric_limit = 0.8\n")
    monitor(place, "late")
    found = scores.latest(place.store, "late", "slice", "v1")
    assert {(s.name, s.n) for s in found} == {("kind=a", 1500), ("kind=c", 300)}
    assert all(s.low is not None for s in found)
    assert breach(place) == []  # one look is no proof
    monitor(place, "late")
    assert breach(place) == []  # nor is the same window once more
    place.clock.passes(hours=6)
    monitor(place, "late")
    assert breach(place) == ["slice kind=c"]
    incident = place.ledger.incidents.standing("late")
    assert incident is not None
    assert incident.title.startswith("slice kind=c log_loss 2.0")
    assert incident.title.endswith("], limit 0.8, n 300")
    told = place.told_of("alert")
    place.clock.passes(hours=6)
    monitor(place, "late")
    assert place.told_of("alert") == told
    place.close()


def test_without_a_limit_slices_are_measured_and_nothing_more(tmp_path: Path) -> None:
    place = sliced(tmp_path, "")
    for _ in range(3):
        monitor(place, "late")
        place.clock.passes(hours=6)
    assert breach(place) == []
    found = {s.name: s.value or 0.0 for s in scores.latest(place.store, "late", "slice", "v1")}
    assert found["kind=c"] > found["kind=a"]
    place.close()


def looked(place: Place) -> None:
    """Look at everything there is; nothing may raise."""
    state = overview.model_state(place, "late", None)
    assert state.champion == place.ledger.roles("late").champion
    overview.model_status(place, "late")
    overview.version_rows(place, "late")
    drift_page.page(place, "late")
    overview.realised(place, "late")
    for version in place.ledger.versions("late"):
        overview.version_page(place, "late", version.version)


def test_everything_can_be_looked_at_from_empty_to_full(place: Place) -> None:
    looked(place)
    state = overview.model_state(place, "late", None)
    assert (state.versions, state.champion, state.rollback.ready) == ([], None, False)
    with place.ledger.change(
        ENGINE, "register", "late", now=place.clock.now(), wall=place.clock.now()
    ) as change:
        change.add_version("r1", "2024-03-01T00:00:00Z")
    looked(place)
    place.champions(0.5, 0.4)
    looked(place)
    watched(place, late=0.9, score=0.1)
    looked(place)
    state = overview.model_state(place, "late", "2024-03-09T00:00:00Z")
    assert state.breach is not None
    assert state.signals[0].breached
    assert state.signals[0].n == 300


def test_a_kpi_that_cannot_be_measured_is_said_and_stops_no_other_measure(tmp_path: Path) -> None:
    old = "avg(case when decision <> label then 1 else 0 end)"
    place = Place.made(tmp_path, SETTINGS.replace(old, "avg(nonsense)"))
    try:
        said = watched(place)
        assert "there is no column" in said
        (fault,) = {x.detail for x in scores.latest(place.store, "late", "kpi")}
        assert fault is not None
        assert 'no column "nonsense"' in fault
        served = scores.latest(place.store, "late", "realised", "served")
        assert all(s.value is not None for s in served)
    finally:
        place.close()
