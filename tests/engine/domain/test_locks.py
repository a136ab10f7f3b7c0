"""What each lock stops, for automation and for persons: the table of DELIVERY, cell by cell."""

from dataclasses import dataclass

import pytest

from engine.domain.locks import FREEZE, HOLD, PIN, RULES, TAINT, may_confirm, stopped_by

REPLACING = {"promote", "shadow", "canary"}
ACTIONS = {*REPLACING, "train", "retention", "reload", "rollback", "abort", "monitor", "resume"}


@dataclass(frozen=True)
class Standing:
    """A lock that stands."""

    kind: str
    version: str | None = None


STOPS = {
    (HOLD, False): REPLACING,
    (HOLD, True): set(),
    (FREEZE, False): {*REPLACING, "train", "retention"},
    (FREEZE, True): {"promote", "canary", "reload"},
    (PIN, False): {*REPLACING, "rollback"},
    (PIN, True): {"promote", "canary", "rollback"},
    (TAINT, False): {*REPLACING, "rollback", "train"},
    (TAINT, True): {*REPLACING, "rollback", "train"},
}


@pytest.mark.parametrize(("kind", "person"), STOPS)
def test_a_lock_stops_what_the_table_says_and_nothing_else(kind: str, person: bool) -> None:
    lock = Standing(kind)
    stopped = {a for a in ACTIONS if stopped_by([lock], a, person=person) is lock}
    assert stopped == STOPS[kind, person]


@pytest.mark.parametrize("person", [True, False])
def test_going_safer_is_stopped_by_nothing_but_a_pin_that_a_person_can_confirm(
    person: bool,
) -> None:
    safer = [Standing(HOLD), Standing(FREEZE)]
    assert stopped_by(safer, "rollback", person=person) is None
    assert stopped_by([*safer, Standing(PIN)], "abort", person=person) is None
    assert may_confirm(PIN, "rollback")


def test_only_freeze_and_pin_can_be_passed_and_each_for_one_thing() -> None:
    passed = {(kind, a) for kind in RULES for a in ACTIONS if may_confirm(kind, a)}
    assert passed == {(FREEZE, "promote"), (FREEZE, "canary"), (PIN, "rollback")}


def test_of_several_the_one_hardest_to_pass_is_named() -> None:
    hold, freeze, pin = Standing(HOLD), Standing(FREEZE), Standing(PIN, "v1")
    assert stopped_by([hold, freeze, pin], "promote", person=True) is pin
    assert stopped_by([hold, freeze], "promote", person=False) is freeze
    assert stopped_by([], "promote", person=False) is None
