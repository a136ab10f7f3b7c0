"""Former versions are looked at again, a few at a time, and enter the gate only for a reason."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from engine.domain.lifecycle import Event, Fitness
from engine.errors import CdmlError, UnavailableError
from engine.jobs.runner import Runner
from engine.ledger.change import ENGINE
from engine.pipeline import delivery, measurement, recall, rollout, validate
from engine.pipeline.ingest import ingest
from engine.pipeline.measurement import Comparison, Held
from engine.pipeline.promote import promote
from engine.store import scores
from engine.store.scores import Score
from engine.wire import Change, Lock
from tests.engine.pipeline.place import PERSON, SETTINGS, START, Place, csv, roles
from tests.engine.pipeline.test_training import BLANK, Here, ValidateInputs, fed

BEGAN, FAILED, PASSED = Event.VALIDATION_BEGAN, Event.GATE_FAILED, Event.GATE_PASSED


def names(place: Place, candidate: str = "v99") -> list[str]:
    return [v.version for v in recall.formers(place, "late", candidate)]


def test_rejected_and_superseded_are_looked_at_what_was_left_or_tainted_is_not(
    place: Place,
) -> None:
    v1, v2 = place.champions(0.5, 0.4)
    rejected = place.version(BEGAN, FAILED)
    open_yet = place.version(BEGAN, Event.GATE_INCONCLUSIVE)
    place.version(BEGAN, PASSED, Event.LEFT_BY_ROLLBACK)
    place.version(BEGAN, FAILED, Event.TAINTED)
    place.version(BEGAN, PASSED, Event.PROVED, safe_mode=True)
    place.version()
    assert names(place) == [v1, rejected, open_yet]
    assert names(place, candidate=rejected) == [v1, open_yet]
    assert roles(place).champion == v2


def test_what_a_person_stopped_stays_away_what_a_guardrail_stopped_does_not(place: Place) -> None:
    place.champions(0.5)
    mine, theirs = place.blessed(0.4), place.blessed(0.4)
    for version, actor in ((mine, PERSON), (theirs, rollout.ROLLOUT)):
        rollout.begin(place, "late", version)
        assert rollout.stop(place, "late", actor, "enough")
    assert names(place) == [theirs]


def test_the_number_is_bounded_best_first_then_those_longest_not_seen(place: Place) -> None:
    place.champions(0.5)
    made = [place.version(BEGAN, FAILED) for _ in range(9)]
    assert names(place) == made[: recall.MOST]
    for at, name in enumerate(made):
        until = START + timedelta(hours=at)
        one = Score("late", name, recall.KIND, "log_loss", START, until, -0.1 * at, 9)
        scores.put(place.store, [one], until)
    assert names(place) == [made[0], made[1], *made[2:6]]
    best = Score("late", made[8], recall.KIND, "log_loss", START, START + timedelta(9), 0.5, 9)
    scores.put(place.store, [best], START + timedelta(9))
    assert names(place)[:3] == [made[8], made[0], made[1]]


def test_while_a_rollout_runs_nothing_is_looked_at_again(place: Place) -> None:
    place.champions(0.5)
    place.version(BEGAN, FAILED)
    challenger = place.blessed(0.4)
    assert names(place)
    assert rollout.begin(place, "late", challenger)
    assert names(place) == []


@pytest.mark.parametrize(("low", "fits"), [(0.001, True), (0.0, False), (None, False)])
def test_only_what_surely_beats_the_champion_fits(place: Place, low: float, fits: bool) -> None:
    place.champions(0.5)
    inputs = msgspec.convert(BLANK, ValidateInputs)
    nothing = measurement.nothing(Held("binary", "log_loss", [], [], {}))
    seen = {"v7": Comparison(0.02, low, 0.04, 900, 0.5)}
    found = recall.fitting(place, "late", inputs, msgspec.structs.replace(nothing, recalled=seen))
    assert (found is not None) == fits
    if found:
        assert found[0] == "v7"
        assert "better than v1 by +0.0200 log_loss [+0.0010, +0.0400], n 900" in found[1]


class Again(Here):
    """A run that may be about a version, or measures the recalled ones as better than they are."""

    version: str | None = None
    cause = "operator ada: look again"

    def work(self, verb, inputs, answer):
        found = super().work(verb, inputs, answer)
        if verb == "validate" and inputs.recall:
            seen = {name: Comparison(0.2, 0.1, 0.3, found.n, 0.5) for name in inputs.recall}
            return msgspec.structs.replace(found, recalled=seen)
        return found


def two_versions(place: Place) -> None:
    fed(place)
    delivery.train_run(place, Here(place))
    place.clock.passes(days=30)
    ingest(place, "late", place.drop("2.csv", csv(2, start=START)))
    delivery.train_run(place, Here(place, 2))


def test_one_that_fits_again_enters_the_gate_with_a_recorded_reason(place: Place) -> None:
    two_versions(place)
    before = place.ledger.version("late", "v2")
    assert before.fitness in (Fitness.REJECTED, Fitness.INCONCLUSIVE)
    place.clock.passes(days=25)
    ingest(place, "late", place.drop("3.csv", csv(3, start=START + timedelta(days=25))))
    delivery.train_run(place, Again(place, 3))
    assert [t.split()[0] for t in place.told_of("recall")] == ["v2"]
    entries = [e for e in place.ledger.audit_entries(limit=99) if e.action == "validate"]
    last = entries[-1]
    assert last.detail["validated"] == "v2"
    assert "better than v1 by +0.2000" in last.reason
    after = place.ledger.version("late", "v2")
    assert after.fitness in (Fitness.REJECTED, Fitness.INCONCLUSIVE)
    assert after.report is not None
    assert before.report is not None
    assert after.report.holdout_to != before.report.holdout_to
    assert {s.version for s in scores.latest(place.store, "late", recall.KIND)} == {"v2"}


def test_recalled_versions_are_really_measured_against_the_champion(place: Place) -> None:
    two_versions(place)
    place.clock.passes(days=25)
    ingest(place, "late", place.drop("3.csv", csv(3, start=START + timedelta(days=25))))
    outcome = delivery.train_run(place, Here(place, 3))
    if outcome.verdict != "pass":
        (seen,) = scores.latest(place.store, "late", recall.KIND)
        assert (seen.version, seen.detail) == ("v2", "v1")
        assert seen.n > 0
        assert seen.low is not None


def test_a_person_may_have_a_version_judged_again_and_a_way_back_keeps_its_fitness(
    place: Place,
) -> None:
    two_versions(place)
    run = Again(place, 3)
    run.version = "v2"
    outcome = delivery.validate_run(place, run)
    assert outcome.version == "v2"
    last = place.ledger.audit_entries(limit=99)[-2:]
    assert [e.action for e in last] == ["validate", "judge"]
    assert last[0].reason == "operator ada: look again"
    v3 = place.blessed(0.5)
    promote(place, "late", PERSON, Change("up", to=v3))
    standby = place.ledger.version("late", "v1")
    validate.began(place, "late", "v1", "again")
    assert place.ledger.version("late", "v1").fitness is standby.fitness


def test_a_validation_that_broke_off_leaves_no_version_in_it(place: Place) -> None:
    two_versions(place)

    class Dies(Again):
        version = "v2"

        def work(self, verb, inputs, answer):
            assert place.ledger.version("late", "v2").fitness is Fitness.VALIDATING
            raise UnavailableError("Running validate: it was killed.", code="job_killed")

    with pytest.raises(UnavailableError):
        delivery.validate_run(place, Dies(place, 3))
    assert place.ledger.version("late", "v2").fitness is Fitness.INCONCLUSIVE
    assert place.ledger.audit_entries(limit=1)[-1].reason.startswith("Running validate")
    validate.began(place, "late", "v2")
    Runner(place).repair()
    assert place.ledger.version("late", "v2").fitness is Fitness.INCONCLUSIVE


@pytest.mark.parametrize(
    ("which", "code"),
    [("champion", "self_comparison"), ("safe", "not_judgeable"), ("tainted", "tainted")],
)
def test_even_a_person_may_not_have_just_anything_judged(
    place: Place, which: str, code: str
) -> None:
    (v1,) = place.champions(0.5)
    asked = {
        "champion": v1,
        "safe": place.version(safe_mode=True),
        "tainted": place.version(BEGAN, FAILED, Event.TAINTED),
    }[which]
    with pytest.raises(CdmlError) as found:
        validate.check_askable(place, "late", asked)
    assert found.value.code == code
    left = place.version(BEGAN, PASSED, Event.LEFT_BY_ROLLBACK)
    validate.check_askable(place, "late", left)


def test_a_stale_champion_is_a_reason_to_replace_it(tmp_path: Path) -> None:
    text = SETTINGS.replace('holdout = "3d"', 'holdout = "3d"\nstale = "20d"')
    place = Place.made(tmp_path / "stale", text)
    place.champions(0.5)
    assert validate.replaced_because(place, "late") is not None  # trained to February 1st
    assert "older than 20d" in (validate.replaced_because(place, "late") or "")
    place.close()
    fresh = Place.made(tmp_path / "fresh", text.replace("20d", "200d"))
    fresh.champions(0.5)
    assert validate.replaced_because(fresh, "late") is None
    fresh.close()


def test_a_column_that_no_row_has_is_named_before_anything_is_measured(tmp_path: Path) -> None:
    text = SETTINGS.replace('holdout = "3d"', 'holdout = "3d"\nslices = ["knd"]')
    place = Place.made(tmp_path, text)
    fed(place)
    delivery.train_run(place, Here(place))
    v2 = place.version()
    with pytest.raises(CdmlError, match=r'gate.slices names "knd"'):
        validate.gather(place, "late", v2)
    place.close()


def test_locks_do_not_stop_looking(place: Place) -> None:
    place.champions(0.5)
    place.version(BEGAN, FAILED)
    now = place.clock.now()
    with place.ledger.change(ENGINE, "hold", "late", now=now, wall=now) as change:
        change.lock(Lock("hold", "ada", "r", "2024-03-01T00:00:00Z"))
    assert names(place)
