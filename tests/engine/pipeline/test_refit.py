"""What passed its gate is brought in as made again of all mature rows, if it answers alike."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.backtest.serving import Replayed
from engine.clock import parse_time
from engine.domain.lifecycle import Fitness
from engine.pipeline import delivery, fitting, reproduce, train
from engine.pipeline.agreeing import HOLDOUT, PROBES
from engine.pipeline.fitting import TrainResult
from engine.pipeline.ingest import ingest
from engine.pipeline.training import origin_of
from tests.engine.pipeline.place import SETTINGS, START, Place, csv, roles
from tests.engine.pipeline.test_training import Here

TRANSFORM = '\n[models.late.transform]\nsql = "late.sql"\n'
SQL = "select wind, kind || '!' as loud, sin(wind) as wave from rows"
GATE = 'holdout = "5d"\nrefit = true\nstale = "6d"\nnon_inferiority = 0.1'


@pytest.fixture
def weekly(tmp_path: Path) -> Iterator[Place]:
    """A champion that is 30 days old, and as many days of newer rows."""
    place = Place.made(tmp_path / "refit", SETTINGS.replace('holdout = "3d"', GATE))
    grown(place)
    yield place
    place.close()


def grown(place: Place) -> None:
    ingest(place, "late", place.drop("1.csv", csv(1, 720)))
    delivery.train_run(place, Here(place))
    place.clock.passes(days=30)
    ingest(place, "late", place.drop("2.csv", csv(2, 700, start=START)))


def of(place: Place, version: str) -> Any:
    found = place.ledger.version("late", version)
    return found, place.artifacts.manifest(found.manifest or "")


def test_what_passed_is_brought_in_with_the_rows_that_it_was_judged_on(weekly: Place) -> None:
    outcome = delivery.train_run(weekly, Here(weekly, 2))
    judged, judged_manifest = of(weekly, "v2")
    made, manifest = of(weekly, "v3")
    assert (outcome.version, outcome.verdict) == ("v3", "pass")
    assert (judged.fitness, made.fitness) == (Fitness.ABORTED, Fitness.BLESSED)
    assert roles(weekly).shadow == "v3"
    newer = parse_time(manifest.trained_to) - parse_time(judged_manifest.trained_to)
    assert newer > timedelta(days=4)
    assert manifest.threshold == judged_manifest.threshold
    origin = origin_of(manifest)
    assert origin is not None
    assert origin.judged == judged_manifest.artifact != manifest.artifact
    assert made.report.against == judged.report.against == "v1"
    assert made.report.value == judged.report.value
    named = {c.name: c for c in made.report.checks}
    assert named["agrees with v2 on the hold-out"].n == judged.report.n
    assert named["agrees with v2 on the probe rows"].n == 20


def test_a_refit_that_answers_otherwise_stays_out(weekly: Place) -> None:
    """The judged version itself is brought in then: it has passed."""

    class Apart(Here):
        def work(self, verb: str, inputs: Any, answer: Any) -> Any:
            found = super().work(verb, inputs, answer)
            if verb != "train":
                return found
            far = {
                k: msgspec.structs.replace(a, moved=3.0 * a.spread)
                for k, a in found.agreement.items()
            }
            return msgspec.structs.replace(found, agreement=far)

    outcome = delivery.train_run(weekly, Apart(weekly, 2))
    assert outcome.version == roles(weekly).shadow == "v2"
    assert of(weekly, "v3")[0].fitness is Fitness.REJECTED
    assert of(weekly, "v2")[0].fitness is Fitness.BLESSED


def test_labels_turned_around_in_the_newest_rows_make_a_refit_answer_otherwise(
    weekly: Place,
) -> None:
    """Agreement is measured: the more of the newest rows are wrong, the less there is of it."""
    apart = [_moved(weekly, file) for file in (None, csv(3, 600, start=START + timedelta(days=4)))]
    assert apart[1] > apart[0] > 0.0


def _moved(place: Place, file: str | None) -> float:
    """Return how far a refit lies from what is judged, in spreads of the latter's answers."""
    if file is not None:
        place.judging = False  # such a delivery would be kept out
        turned = file.replace(",true\n", ",x\n").replace(",false\n", ",true\n")
        ingest(place, "late", place.drop("3.csv", turned.replace(",x\n", ",false\n")))
    found = fitting.fit(
        msgspec.structs.replace(
            train.gather(place, "late", "r9"), until="2024-03-05T00:00:00Z", newer_than=None
        ),
        place.workspace.runs,
        lambda *_: None,
    ).agreement
    assert set(found) == {HOLDOUT, PROBES}
    return found[HOLDOUT].moved / found[HOLDOUT].spread


def test_without_it_nothing_is_made_twice_and_a_first_version_has_all_rows_anyway(
    weekly: Place, place: Place
) -> None:
    assert [v.version for v in weekly.ledger.versions("late") if not v.safe_mode] == ["v1"]
    ingest(place, "late", place.drop("1.csv", csv(1)))
    assert train.gather(place, "late", "r1").refit_until is None


def test_a_refit_is_made_again_like_any_version(weekly: Place) -> None:
    delivery.train_run(weekly, Here(weekly, 2))
    inputs = reproduce.gather(weekly, "late", "v3")
    made: TrainResult = fitting.fit(inputs, weekly.workspace.runs, lambda *_: None)
    assert reproduce.compared(weekly, "late", "v3", made).same
    assert reproduce.gather(weekly, "late", "v2").refit_until is None


def test_a_refit_reads_its_rows_through_the_transformation_that_was_judged(tmp_path: Path) -> None:
    place = Place.made(tmp_path, SETTINGS.replace('holdout = "3d"', GATE) + TRANSFORM)
    (tmp_path / "late.sql").write_text(SQL)
    place.serving = Replayed(place.ledger, place.artifacts, "id")  # type: ignore[assignment]
    grown(place)
    assert delivery.train_run(place, Here(place, 2)).version == "v3"
    (made, manifest), (_, judged) = of(place, "v3"), of(place, "v2")
    assert manifest.transform.source == judged.transform.source
    assert [f.name for f in manifest.transform.derived] == ["loud", "wave"]
    assert set(manifest.probe_rows[0]) == set(judged.probe_rows[0])
    assert "transforms the probe rows in serving" in {c.name for c in made.report.checks}
    again = fitting.fit(
        reproduce.gather(place, "late", "v3"), place.workspace.runs, lambda *_: None
    )
    assert reproduce.compared(place, "late", "v3", again).same
    place.close()
