"""The table of fitness and events, and what people see of fitness and roles together."""

import pytest

from engine.domain.lifecycle import TABLE, Event, Fitness, after, shown_state
from engine.errors import RefusedError


@pytest.mark.parametrize("fitness", Fitness)
@pytest.mark.parametrize("event", Event)
def test_what_the_table_does_not_hold_is_refused(fitness: Fitness, event: Event) -> None:
    if (fitness, event) in TABLE:
        assert after(fitness, event) is TABLE[fitness, event]
    else:
        with pytest.raises(RefusedError, match="no such step") as refused:
            after(fitness, event)
        assert refused.value.code == "illegal_transition"


def test_nothing_but_a_passed_gate_blesses() -> None:
    assert {e for (_, e), to in TABLE.items() if to is Fitness.BLESSED} == {Event.GATE_PASSED}
    assert {f for (f, _), to in TABLE.items() if to is Fitness.BLESSED} == {Fitness.VALIDATING}


def test_only_a_blessed_version_can_be_proven() -> None:
    assert [f for (f, e) in TABLE if e is Event.PROVED] == [Fitness.BLESSED]


@pytest.mark.parametrize("fitness", [Fitness.ROLLED_BACK, Fitness.REJECTED, Fitness.TAINTED])
def test_there_is_no_way_from_bad_to_proven_but_through_a_gate(fitness: Fitness) -> None:
    seen, to_see = set(), [fitness]
    while to_see:
        now = to_see.pop()
        for (before, event), to in TABLE.items():
            if before is now and event is not Event.GATE_PASSED and to not in seen:
                seen.add(to)
                to_see.append(to)
    assert not seen & {Fitness.BLESSED, Fitness.PROVEN}


def test_what_is_purged_has_no_way_on() -> None:
    assert not [event for (fitness, event) in TABLE if fitness is Fitness.PURGED]


@pytest.mark.parametrize(
    ("fitness", "roles", "shown"),
    [
        (Fitness.BLESSED, ["champion"], "baking"),
        (Fitness.PROVEN, ["champion", "anchor"], "proven"),
        (Fitness.BLESSED, ["canary"], "canary"),
        (Fitness.BLESSED, ["shadow"], "shadow"),
        (Fitness.PROVEN, ["standby"], "superseded"),
        (Fitness.BLESSED, ["standby"], "superseded, unproven"),
        (Fitness.BLESSED, [], "passed its gate"),
        (Fitness.ROLLED_BACK, [], "rolled back"),
    ],
)
def test_the_state_shown_follows_from_fitness_and_roles(
    fitness: Fitness, roles: list[str], shown: str
) -> None:
    assert shown_state(fitness, roles) == shown
