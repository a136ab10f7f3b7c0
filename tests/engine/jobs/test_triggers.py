"""What asks for a training: old rows, another recipe; each by its cause, none twice, none lost."""

import os
from pathlib import Path
from typing import Any

import pytest

from engine.domain.alerts import Finding
from engine.jobs import triggers
from engine.jobs.runner import Runner
from engine.pipeline import alerts, delivery, locks
from engine.pipeline.recipe_source import digest
from engine.pipeline.wear import age
from engine.store import scores
from engine.store.scores import Score
from engine.wire import LockRequest
from tests.engine.jobs.test_schedule import Queue
from tests.engine.pipeline.place import PERSON, SETTINGS, START, Place

STALE = SETTINGS.replace("seeds = 1", 'seeds = 1\non = ["stale"]\nstale = "40d"')
OWN = SETTINGS.replace("seeds = 1", 'seeds = 1\non = ["recipe"]').replace('"linear"', '"own:made"')


@pytest.fixture
def made(tmp_path: Path) -> Any:
    places: list[Place] = []

    def made(settings: str) -> Place:
        places.append(Place.made(tmp_path, settings))
        return places[-1]

    yield made
    for place in places:
        place.close()


def due(place: Place) -> list[str]:
    queue: Any = Queue()
    triggers.due(place, queue)
    return [cause for job, cause in queue.taken if job == "train"]


def changed(place: Place, settled_before: float = float("inf")) -> list[str]:
    queue: Any = Queue()
    triggers.recipes(place, queue, settled_before)
    return [cause for _, cause in queue.taken]


def test_rows_that_became_too_old_ask_once_and_again_while_they_are(made: Any) -> None:
    place = made(STALE)  # a version of the test is trained to the first of February
    place.champions(0.5)
    assert due(place) == []
    place.clock.passes(days=11)
    assert due(place) == ["training rows 40 d old, limit 40 d by train.stale"]
    assert due(place) == []
    place.clock.passes(days=10)
    assert len(due(place)) == 1


def test_what_a_freeze_stops_is_made_up_for_by_one_training_that_names_it(made: Any) -> None:
    place = made(STALE)
    place.champions(0.5)
    locks.freeze(place, "late", PERSON, LockRequest("k1", reason="audit"))
    place.clock.passes(days=30)
    assert due(place) == due(place) == []
    locks.thaw(place, "late", PERSON, LockRequest("k2", reason="over"))
    (cause,) = due(place)
    assert "makes up for what a freeze stopped: train: training rows 59 d old" in cause
    assert due(place) == []


def test_without_a_limit_the_age_is_that_by_which_half_the_versions_were_worse(made: Any) -> None:
    place = made(STALE.replace('\nstale = "40d"', ""))
    versions = place.champions(0.5, 0.5, 0.5)
    now = place.clock.now()
    assert age(place, "late", now) is None
    for version, lasts in zip(versions, (3, 5, 99), strict=True):
        for week in range(1, 7):
            value = 0.3 if week < lasts else 0.4
            begin = START.replace(month=2, day=1)
            span = (begin, begin + week * (START - begin) / 4)
            low, high = value - 0.01, value + 0.01
            score = Score("late", version, "realised", "log_loss", *span, value, 500, low, high)
            scores.put(place.store, [score], span[1])
    found = age(place, "late", now)
    assert found is not None
    assert found.said == "training rows 29 d old, limit 36.2 d by what versions of late lasted here"
    place.clock.passes(days=9)
    assert due(place) == [
        "training rows 38 d old, limit 36.2 d by what versions of late lasted here"
    ]


def test_the_source_of_a_recipe_is_its_module_and_what_it_imports_beside_it(tmp_path: Path) -> None:
    own, other = tmp_path / "own.py", tmp_path / "other.py"
    own.write_text("import os\nfrom other import k\nimport sklearn.linear_model\n")
    other.write_text("k = 1\n")
    first = digest(tmp_path, "own:made")
    assert first is not None
    (tmp_path / "stranger.py").write_text("x = 1\n")
    assert digest(tmp_path, "own:made") == first
    other.write_text("k = 2\n")
    second = digest(tmp_path, "own:made")
    assert second not in (first, None)
    own.write_text("import other\nthis is no Python\n")
    assert digest(tmp_path, "own:made") not in (first, second, None)
    assert digest(tmp_path, "linear") is None
    assert digest(tmp_path, "nowhere:made") is None


def test_a_recipe_that_changed_trains_by_its_name_and_by_its_source(made: Any) -> None:
    place = made(OWN)
    own = place.workspace.root / "own.py"
    own.write_text("k = 1\n")
    assert changed(place) == []
    place.champions(0.5)
    assert changed(place) == []
    own.write_text("k = 2\n")
    os.utime(own, (2000.0, 2000.0))
    assert changed(place, settled_before=1999.0) == []  # it may still be written
    (cause,) = changed(place, settled_before=2000.0)
    assert cause.startswith("the source of own:made changed to ")
    assert changed(place) == []
    own.write_text("k = 1\n")
    locks.freeze(place, "late", PERSON, LockRequest("k1", reason="audit"))
    assert changed(place) == []
    locks.thaw(place, "late", PERSON, LockRequest("k2", reason="over"))
    (made_up,) = due(place)
    assert "the source of own:made changed" in made_up


def test_what_a_training_by_hand_has_seen_asks_for_no_other(made: Any) -> None:
    place = made(OWN)
    own = place.workspace.root / "own.py"
    own.write_text("k = 1\n")
    changed(place)
    place.champions(0.5)
    own.write_text("k = 2\n")
    runner = Runner(place)
    runner.submit("late", "train", "operator")
    runner.drain()
    assert changed(place) == []
    own.write_text("k = 3\n")
    assert len(changed(place)) == 1


@pytest.mark.parametrize(
    ("on", "asks"), [("forecast", True), ("performance", True), ("drift", False)]
)
def test_a_forecast_beyond_its_limit_asks_where_the_policy_says_so(
    made: Any, on: str, asks: bool
) -> None:
    place = made(SETTINGS.replace("seeds = 1", f'seeds = 1\non = ["{on}"]'))
    place.champions(0.5)
    found = Finding("forecast", "log_loss", 0.9, 0.8, 300, "log_loss 0.9 ahead, limit 0.8")
    before = delivery.asking(place, "late")
    alerts.settle(place, "late", [found], "v1", place.clock.now())
    causes = delivery.causes(place, "late", delivery.asking(place, "late") - before)
    assert bool(causes) == asks
    assert all("forecast" in cause for cause in causes)
