"""The champion's answers and losses, watched row by row: told once, in time, and never in vain."""

import json

import msgspec
import numpy as np
import pytest

from engine.pipeline import incidents, normal, streams
from engine.pipeline.normal import LOSSES, SCORES
from engine.store import labels, predictions, profiles
from engine.store.labels import LabelRow
from engine.store.predictions import Block
from tests.engine.pipeline.place import PERSON, Place

METRIC, TASK = "log_loss", "binary"


class Client:
    """Asks a row a minute and gets its label at once; scores are right as long as nothing changes.

    The right chance that a row is late is uniform.
    """

    def __init__(self, place: Place) -> None:
        self.place, self.rng, self.asked = place, np.random.default_rng(3), 0

    def asks(
        self, version: str, n: int, *, wrong: bool = False, late: bool = True, at: float = 0.0
    ) -> None:
        """Have n rows answered, with labels unless told otherwise; wrong ones are upside down."""
        rows, known = [], []
        for _ in range(n):
            self.asked += 1
            self.place.clock.passes(minutes=1)
            ts = self.place.clock.now().replace(tzinfo=None).isoformat()
            chance = float(np.clip(self.rng.random() + at, 0.01, 0.99))
            score, name = (1 - chance if wrong else chance), f"q{self.asked}"
            rows.append(
                ("late", name, name, ts, ts, None, 1, version, "champion", "{}", f"[{score}]",
                 "true" if score >= 0.5 else "false", "", 1.0)
            )  # fmt: skip
            value = "true" if self.rng.random() < chance else "false"
            known.append(LabelRow("late", name, ts, value, ts))
        predictions.load(self.place.store, Block(rows, [], [], {}))
        if late:
            labels.add(self.place.store, known)


def champion(place: Place) -> str:
    """Return a champion for whose rows the first look is over."""
    (version,) = place.champions(0.3)
    rng = np.random.default_rng(9)
    answers = rng.random((2000, 1))
    outcomes = (rng.random(2000) < answers[:, 0]).astype(float)
    frozen = normal.of_holdout(METRIC, TASK, outcomes, answers, 1)
    profiles.keep(place.store, "late", version, frozen[normal.PART], normal.PART)
    assert streams.watch(place, "late") is None
    # Until now only quick labels can have come.
    place.clock.passes(days=2)
    return version


def test_losses_that_get_worse_are_told_within_a_few_dozen_rows_and_once(place: Place) -> None:
    version, client = champion(place), Client(place)
    for _ in range(10):
        client.asks(version, 60)
        assert streams.watch(place, "late") is None
    changed = place.clock.now()
    causes = []
    for _ in range(10):
        client.asks(version, 10, wrong=True)
        causes.append(streams.watch(place, "late"))
    told = next(at for at, cause in enumerate(causes) if cause)
    assert told < 8
    assert sum(cause is not None for cause in causes) == 1
    (said,) = place.told_of("alert")
    assert said.startswith(f"log_loss of {version} got worse about {changed:%Y-%m-%dT%H}")
    incident = place.ledger.incidents.standing("late")
    assert incident is not None
    assert incident.title == causes[told]
    assert streams.standing(place, "late")[1].startswith("losses: log_loss of")


def test_losses_are_watched_anew_when_the_incident_is_closed(place: Place) -> None:
    version, client = champion(place), Client(place)
    client.asks(version, 200, wrong=True)
    assert streams.watch(place, "late")
    client.asks(version, 200, wrong=True)
    assert streams.watch(place, "late") is None
    incidents.add(place, 1, PERSON, "seen", close=True)
    assert streams.watch(place, "late") is None
    assert streams.standing(place, "late")[1] == "losses: no change in 0 rows"
    client.asks(version, 200, wrong=True)
    assert streams.watch(place, "late")
    assert place.ledger.incidents.standing("late") is not None


def test_losses_that_get_worse_within_the_limit_are_a_warning_for_one_window(place: Place) -> None:
    late = place.settings.models["late"]
    monitor = msgspec.structs.replace(late.monitor, metric_limit=50.0)
    late = msgspec.structs.replace(late, monitor=monitor)
    place.settings = msgspec.structs.replace(place.settings, models={"late": late})
    version, client = champion(place), Client(place)
    client.asks(version, 200, wrong=True)
    assert streams.watch(place, "late")
    assert place.ledger.incidents.standing("late") is None
    levels = [e.level for e in place.ledger.events(limit=1000) if e.kind == "alert"]
    assert levels == ["WARN"]
    client.asks(version, 200, wrong=True)
    assert streams.watch(place, "late") is None
    place.clock.passes(days=7)
    assert streams.watch(place, "late") is None
    client.asks(version, 200, wrong=True)
    assert streams.watch(place, "late")


def test_answers_that_change_are_a_warning_and_no_incident(place: Place) -> None:
    version, client = champion(place), Client(place)
    client.asks(version, 300, late=False)
    assert streams.watch(place, "late") is None
    client.asks(version, 200, late=False, at=0.5)
    assert "the distribution of the answers" in (streams.watch(place, "late") or "")
    assert place.ledger.incidents.standing("late") is None
    levels = [e.level for e in place.ledger.events(limit=1000) if e.kind == "alert"]
    assert levels == ["WARN"]


def test_losses_that_get_better_are_no_alarm(place: Place) -> None:
    version, client = champion(place), Client(place)
    # Nothing but rows that are easy: nearly certain, and right.
    client.asks(version, 600, at=0.9)
    streams.watch(place, "late")
    assert place.ledger.incidents.standing("late") is None


def test_each_row_is_taken_once_in_whatever_portions_they_come(tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    states = []
    for sizes in ([120], [1] * 20 + [50, 50]):
        place = Place.made(tmp_path_factory.mktemp("place"))
        version, client = champion(place), Client(place)
        for size in sizes:
            client.asks(version, size)
            streams.watch(place, "late")
            streams.watch(place, "late")
        states.append(json.loads(place.ledger.meta("streams:late") or "{}")["streams"])
        place.close()
    assert states[0] == states[1]
    assert states[0][SCORES]["seen"]["rows"] == 120
    assert states[0][LOSSES]["seen"]["rows"] == 120


def test_a_look_without_news_writes_nothing(place: Place) -> None:
    version, client = champion(place), Client(place)
    client.asks(version, 20)
    streams.watch(place, "late")
    before = place.ledger.meta("streams:late")
    assert streams.watch(place, "late") is None
    assert place.ledger.meta("streams:late") == before


def test_labels_that_come_sooner_than_all_can_have_come_do_not_count(place: Place) -> None:
    (version,) = place.champions(0.3)
    client = Client(place)
    streams.watch(place, "late")
    client.asks(version, 50)
    streams.watch(place, "late")
    text = place.ledger.meta("streams:late") or ""
    found = msgspec.json.decode(text, type=streams.Watched)
    assert found.streams[LOSSES].begin == 49


def test_a_new_champion_begins_anew(place: Place) -> None:
    version, client = champion(place), Client(place)
    client.asks(version, 300, wrong=True)
    assert streams.watch(place, "late")
    place.champions(0.4)
    assert streams.standing(place, "late") == []
    assert streams.watch(place, "late") is None
    assert "not enough" in streams.standing(place, "late")[0]


def test_without_a_hold_out_the_first_rows_of_a_day_are_what_is_normal(place: Place) -> None:
    (version,) = place.champions(0.3)
    client = Client(place)
    streams.watch(place, "late")
    client.asks(version, 1000)
    streams.watch(place, "late")
    assert "not enough" in streams.standing(place, "late")[0]
    place.clock.passes(days=1)
    client.asks(version, 500)
    streams.watch(place, "late")
    assert streams.standing(place, "late")[0] == "scores: no change in 0 rows"
    client.asks(version, 100, at=0.8)
    assert streams.watch(place, "late")


def test_a_log_that_is_shorter_than_it_was_is_gone_on_with_at_its_end(place: Place) -> None:
    version, client = champion(place), Client(place)
    client.asks(version, 100)
    streams.watch(place, "late")
    with place.store.write() as db:
        db.execute("delete from predictions")
        db.execute("delete from labels")
    assert streams.watch(place, "late") is None
    client.asks(version, 30)
    assert streams.watch(place, "late") is None


def test_without_a_champion_nothing_is_watched(place: Place) -> None:
    assert streams.watch(place, "late") is None
    assert streams.standing(place, "late") == []


@pytest.mark.parametrize("metric", ["accuracy_score", "roc_auc_score", "brier_score_loss"])
def test_more_is_worse_whatever_the_metric(metric: str) -> None:
    labels_, answers = np.array([1.0, 1.0, np.nan]), np.array([[0.9], [0.2], [0.5]])
    good, bad = normal.losses(metric, TASK, labels_, answers)
    assert good < bad


def test_the_label_of_a_row_asked_twice_counts_once(place: Place) -> None:
    version, client = champion(place), Client(place)
    client.asks(version, 5, late=False)
    client.asked = 0
    client.asks(version, 5)
    streams.watch(place, "late")
    found = msgspec.json.decode(place.ledger.meta("streams:late") or "", type=streams.Watched)
    seen = found.streams[LOSSES].seen
    assert seen is not None
    assert seen.rows == 5


def test_what_another_cdml_kept_counts_for_nothing(place: Place) -> None:
    version = champion(place)
    text = place.ledger.meta("streams:late") or ""
    place.ledger.set_meta("streams:late", text.replace('"sums":[0.0,', '"sums":['))
    assert streams.watch(place, "late") is None
    assert f'"version":"{version}"' in (place.ledger.meta("streams:late") or "")
