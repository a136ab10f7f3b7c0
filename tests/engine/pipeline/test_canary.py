"""A canary: steps on rows of its own, stopped by comparing arms, begun and ended by hand."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.domain.lifecycle import Fitness
from engine.domain.rollouts import Next
from engine.errors import ConflictError, InvalidError, RefusedError
from engine.pipeline import locks, overview, rollout, rollout_page
from engine.pipeline.canary import abort, canary, roll_through
from engine.pipeline.rollback import rollback
from engine.pipeline.undo import undo
from engine.store import predictions
from engine.store.predictions import Block
from engine.wire import Change, LockRequest
from tests.engine.pipeline.place import PERSON, SETTINGS, Place, roles

POLICY = "shadow = { rows = 0 }\ncanary = [10, 50]\nstep_rows = 40\n"
Made = Callable[..., Place]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Make a workspace with canary steps and settings of a test."""
    found: list[Place] = []

    def make(more: str = "", policy: str = POLICY) -> Place:
        text = SETTINGS.replace("shadow = { rows = 100 }", policy + more)
        found.append(Place.made(tmp_path / "w", text))
        return found[-1]

    yield make
    for place in found:
        place.close()


def running(place: Place) -> tuple[str, str]:
    """Return champion v1 and v2 answering the first share, past the warm-up."""
    (v1,) = place.champions(0.3)
    v2 = place.blessed(0.9, against=v1)
    rollout.begin(place, "late", v2)
    assert rollout.advance(place, "late") is Next.STEP
    assert (roles(place).canary, roles(place).canary_share_pct) == (v2, 10.0)
    place.clock.passes(minutes=2)
    assert rollout.advance(place, "late") is Next.WAIT
    place.clock.passes(minutes=1)
    return v1, v2


def split(
    place: Place,
    champion: str,
    canary_: str,
    n: int = 500,
    every: int = 10,
    slow: Callable[[int], bool] = lambda _: False,
) -> None:
    """Store n answers of one row each, every so-many-th by the canary."""
    tag, rows = place.store.changes, []
    for at in range(n):
        moment = (place.clock.now() + timedelta(milliseconds=at)).replace(tzinfo=None).isoformat()
        arm = canary_ if at % every == 0 else champion
        role = "canary" if at % every == 0 else "champion"
        name = f"{tag}-{at}"
        latency = 500.0 if slow(at) else 1.0
        rows.append(
            ("late", name, name, moment, moment, f"client {at}", roles(place).generation, arm, role,
             '{"wind":5.0}', "[0.5]", "true", "", latency)
        )  # fmt: skip
    predictions.load(place.store, Block(rows, [], [], {}))
    place.clock.passes(seconds=n / 1000)


def counted(place: Place, champion: tuple[int, int], canary_: tuple[int, int]) -> None:
    """Have serving say how many rows each has answered and failed."""
    place.serving.counted = {"v1": champion, "v2": canary_}


def guardrail(place: Place, name: str) -> Any:
    return next(g for g in rollout_page.page(place, "late").guardrails if g.name == name)


def test_steps_up_to_champion_on_rows_of_its_own(made: Made) -> None:
    place = made()
    v1, v2 = running(place)
    salt = roles(place).salt
    split(place, v1, v2, n=300)
    counted(place, (270, 1), (30, 0))
    assert rollout.advance(place, "late") is Next.WAIT
    assert "inconclusive: 30 of 40 rows" in rollout_page.page(place, "late").why
    split(place, v1, v2, n=200)
    counted(place, (450, 2), (50, 0))
    assert rollout.advance(place, "late") is Next.STEP
    assert (roles(place).canary_share_pct, roles(place).salt) == (50.0, salt)
    before = guardrail(place, "errors")
    place.clock.passes(minutes=2)
    counted(place, (0, 0), (0, 0))
    assert rollout.advance(place, "late") is Next.WAIT
    split(place, v1, v2, n=100, every=2)
    counted(place, (50, 0), (50, 0))
    assert rollout.advance(place, "late") is Next.PROMOTE
    after = guardrail(place, "errors")
    assert (before.n, after.n) == (502, 602)  # what was shown at a share still counts at the next
    assert (roles(place).champion, roles(place).canary) == (v2, None)
    assert "latency: canary 0 slow of" in place.ledger.audit_entries()[-1].reason


def test_how_long_a_fault_would_stay_hidden_is_told_before_the_canary_starts(made: Made) -> None:
    place = made()
    running(place)
    told = place.told_of("rollout")
    first = next(t for t in told if "is to answer 10 %" in t)
    assert "errors that rise from 1 % to 3 % show after about 4,212 rows" in first
    assert "(nobody asks at present)" in first
    assert told.index(first) < next(at for at, t in enumerate(told) if "v2 answers 10 %" in t)
    steps = rollout_page.page(place, "late").plan
    assert [(s.share_pct, s.detect_rows) for s in steps] == [
        (0.0, None),
        (10.0, 4212),
        (50.0, 1718),
    ]
    split(place, "v1", "v2", n=600)
    place.clock.passes(minutes=10)
    minutes = rollout_page.page(place, "late").plan[1].detect_minutes
    assert minutes == pytest.approx(4212 / 60, rel=0.05)


def test_without_traffic_nothing_steps_however_long_it_lasts(made: Made) -> None:
    place = made()
    running(place)
    for _ in range(3):
        place.clock.passes(days=1)
        assert rollout.advance(place, "late") is Next.WAIT
    page = rollout_page.page(place, "late")
    assert (page.decision, page.why) == (
        "wait",
        "inconclusive: 0 of 40 rows answered by the canary",
    )
    assert {g.verdict for g in page.guardrails} == {"inconclusive"}


def test_errors_of_the_canary_abort_it(made: Made) -> None:
    place = made()
    v1, v2 = running(place)
    counted(place, (900, 9), (100, 1))
    assert rollout.advance(place, "late") is Next.WAIT
    counted(place, (1800, 18), (180, 20))
    assert rollout.advance(place, "late") is Next.ABORT
    assert (roles(place).champion, roles(place).canary) == (v1, None)
    assert place.ledger.version("late", v2).fitness is Fitness.ABORTED
    assert "errors: canary 20 failed of 200, champion 18 of 1818" in place.told_of("rollout")[-1]


def test_errors_are_counted_on_over_a_restart_of_serving_and_of_the_engine(made: Made) -> None:
    place = made()
    running(place)
    counted(place, (900, 9), (100, 1))
    rollout.advance(place, "late")
    counted(place, (90, 1), (10, 0))  # it began anew
    rollout.advance(place, "late")
    found = guardrail(place, "errors")
    assert found.n == 900 + 9 + 100 + 1 + 90 + 1 + 10
    assert "canary 1 failed of 111, champion 10 of 1000" in found.text
    rollout.advance(place, "late")  # the same counts are not counted twice
    assert guardrail(place, "errors").n == found.n


def test_the_warm_up_counts_for_neither_arm(made: Made) -> None:
    place = made('warm_up = "5m"\n')
    (v1,) = place.champions(0.3)
    v2 = place.blessed(0.9, against=v1)
    rollout.begin(place, "late", v2)
    rollout.advance(place, "late")
    split(place, v1, v2, n=500, slow=lambda at: at % 10 == 0)
    counted(place, (450, 0), (25, 25))
    place.clock.passes(minutes=4)
    assert rollout.advance(place, "late") is Next.WAIT
    assert guardrail(place, "errors").text == "errors: warming up, 5m"
    place.clock.passes(minutes=2)
    assert rollout.advance(place, "late") is Next.WAIT
    place.clock.passes(seconds=1)
    split(place, v1, v2, n=500)
    counted(place, (900, 0), (75, 25))
    assert rollout.advance(place, "late") is Next.STEP
    assert guardrail(place, "errors").n == 500
    assert guardrail(place, "latency").text.startswith("latency: canary 0 slow of 50, champion 0")


def test_slow_answers_of_the_canary_abort_it(made: Made) -> None:
    place = made()
    v1, v2 = running(place)
    split(place, v1, v2, slow=lambda at: at % 100 == 1 or at % 20 == 0)
    counted(place, (450, 0), (50, 0))
    assert rollout.advance(place, "late") is Next.ABORT
    assert "latency: canary 25 slow of 50, champion 5 of 450" in place.told_of("rollout")[-1]


def test_an_observed_guardrail_is_shown_and_never_acts(made: Made) -> None:
    place = made('observe = ["latency"]\n')
    v1, v2 = running(place)
    split(place, v1, v2, slow=lambda at: at % 10 == 0)
    counted(place, (450, 0), (50, 0))
    assert rollout.advance(place, "late") is Next.STEP
    seen = guardrail(place, "latency")
    assert (seen.verdict, seen.acting) == ("fail", False)


def test_units_routed_against_the_share_make_it_inconclusive_and_are_told_once(made: Made) -> None:
    place = made()
    v1, v2 = running(place)
    split(place, v1, v2, every=3)
    counted(place, (333, 0), (167, 0))
    assert rollout.advance(place, "late") is Next.WAIT
    split(place, v1, v2, every=3)
    assert rollout.advance(place, "late") is Next.WAIT
    assert roles(place).canary_share_pct == 10.0
    (told,) = [t for t in place.told_of("rollout") if "routing is wrong" in t]
    assert "167 of 500 units met the canary" in told


def test_a_canary_by_hand_in_mode_manual_is_walked_by_hand(made: Made) -> None:
    place = made('mode = "manual"\n')
    (v1,) = place.champions(0.3)
    v2 = place.blessed(0.9, against=v1)
    assert not rollout.begin(place, "late", v2)
    first = canary(place, "late", PERSON, Change("c", to=v2))
    assert canary(place, "late", PERSON, Change("c", to=v2)) == first
    assert first.message.startswith(f"{v2} answers 10 %; at 10 % errors that rise from 1 % to 3 %")
    assert overview.model_status(place, "late").rollout == f"{v2} canary 10 %"
    place.clock.passes(minutes=2)
    rollout.advance(place, "late")
    place.clock.passes(seconds=1)
    split(place, v1, v2)
    counted(place, (450, 0), (50, 0))
    assert rollout.advance(place, "late") is Next.WAIT
    assert rollout_page.page(place, "late").decision == "step"
    canary(place, "late", PERSON, Change("c 2", to=v2))
    assert roles(place).canary_share_pct == 50.0
    again = canary(place, "late", PERSON, Change("c 3", to=v2))
    assert (again.changed, again.message) == (False, f"{v2} answers 50 % already")
    canary(place, "late", PERSON, Change("c 4", to=v2, share_pct=25.0))
    assert roles(place).canary_share_pct == 25.0


def test_what_a_canary_by_hand_is_refused_for(made: Made) -> None:
    place = made()
    v1 = place.blessed()
    with pytest.raises(RefusedError, match="there is no champion"):
        canary(place, "late", PERSON, Change("a", to=v1))
    v2, v3 = place.champions(0.3, 0.4)
    with pytest.raises(RefusedError, match="it is the champion"):
        canary(place, "late", PERSON, Change("b", to=v3))
    with pytest.raises(InvalidError, match="no version was named"):
        canary(place, "late", PERSON, Change("c"))
    with pytest.raises(InvalidError, match="between 1 and 99"):
        canary(place, "late", PERSON, Change("d", to=v2, share_pct=100.0))
    unjudged = place.version()
    with pytest.raises(RefusedError, match="it is registered"):
        canary(place, "late", PERSON, Change("e", to=unjudged))
    canary(place, "late", PERSON, Change("f", to=v2))
    other = place.blessed(against=v3)
    with pytest.raises(ConflictError, match=f"{v2} is being brought in"):
        canary(place, "late", PERSON, Change("g", to=other))
    abort(place, "late", PERSON, Change("h"))
    locks.freeze(place, "late", PERSON, LockRequest("i"))
    with pytest.raises(RefusedError, match="frozen"):
        canary(place, "late", PERSON, Change("j", to=other))


def test_abort_is_allowed_in_every_state_under_a_freeze_and_twice(made: Made) -> None:
    place = made()
    nothing = abort(place, "late", PERSON, Change("a"))
    assert (nothing.changed, nothing.message) == (False, "no canary and no shadow runs")
    v1, v2 = running(place)
    locks.freeze(place, "late", PERSON, LockRequest("f"))
    locks.hold(place, "late", PERSON, LockRequest("h"))
    done = abort(place, "late", PERSON, Change("b", reason="enough"))
    assert abort(place, "late", PERSON, Change("b", reason="enough")) == done
    assert not abort(place, "late", PERSON, Change("c")).changed
    assert place.ledger.version("late", v2).fitness is Fitness.ABORTED
    assert (roles(place).champion, roles(place).canary, roles(place).shadow) == (v1, None, None)
    assert rollout.advance(place, "late") is None


def test_roll_through_promotes_the_canary_at_once_and_says_why(made: Made) -> None:
    place = made()
    with pytest.raises(RefusedError, match="there is none"):
        roll_through(place, "late", PERSON, Change("a", reason="sick"))
    v1, v2 = running(place)
    with pytest.raises(InvalidError, match="the reason is missing"):
        roll_through(place, "late", PERSON, Change("b"))
    asked = Change("c", reason="v1 answers nonsense")
    done = roll_through(place, "late", PERSON, asked)
    assert (done.from_, done.to) == (v1, v2)
    assert roll_through(place, "late", PERSON, asked) == done
    entry = place.ledger.audit_entries()[-1]
    assert (entry.action, entry.reason) == ("roll-through", "v1 answers nonsense")
    assert undo(place, "late", PERSON, Change("d")).to == v1
    assert roles(place).canary == v2


def test_a_rollback_stops_the_canary_too(made: Made) -> None:
    place = made()
    place.champions(0.3, 0.4)
    v3 = place.blessed(against="v2")
    rollout.begin(place, "late", v3)
    rollout.advance(place, "late")
    rollback(place, "late", PERSON, Change("back"))
    assert (roles(place).champion, roles(place).canary) == ("v1", None)
    assert place.ledger.version("late", v3).fitness is Fitness.ABORTED


def test_the_limit_of_automatic_actions_freezes_the_model(made: Made) -> None:
    place = made("actions_per_day = 3\n")
    v1, v2 = running(place)
    counted(place, (900, 0), (100, 100))
    assert rollout.advance(place, "late") is Next.ABORT
    v3 = place.blessed(against=v1)
    rollout.begin(place, "late", v3)
    assert rollout.advance(place, "late") is Next.STEP
    assert [k.kind for k in place.ledger.locks("late")] == ["freeze"]
    (told,) = place.told_of("limit")
    assert told.startswith("3 automatic actions within a day, 3 are allowed: frozen")
    assert not rollout.begin(place, "late", place.blessed(against=v1))
    assert place.ledger.version("late", v2).fitness is Fitness.ABORTED


def test_a_step_that_is_refused_is_told_once(made: Made) -> None:
    place = made(policy="shadow = { rows = 0 }\nstep_rows = 40\n")
    v1, v2 = place.champions(0.3, 0.4)
    v3 = place.blessed(against=v1)
    canary(place, "late", PERSON, Change("c", to=v3))
    place.clock.passes(minutes=2)
    rollout.advance(place, "late")
    place.clock.passes(seconds=1)
    split(place, v2, v3)
    place.serving.counted = {v2: (450, 0), v3: (50, 0)}
    for _ in range(3):
        assert rollout.advance(place, "late") is Next.WAIT
    assert rollout_page.page(place, "late").decision == "promote"
    said = f"judged against {v1}, the champion is {v2} now"
    assert len([t for t in place.told_of("rollout") if said in t]) == 1
