"""Roles move as a whole; random walks of moves keep what must always hold."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from engine.domain import rollbacks
from engine.domain.gates import Verdict
from engine.domain.lifecycle import Event, Fitness, after
from engine.domain.roles import Roles, canarying, cleared, promoted, rolled_back, shadowing
from engine.domain.rollbacks import NEVER, Former, Level
from engine.errors import RefusedError

VERSIONS = [f"v{n}" for n in range(1, 6)]
MOVES = ["promote", "promote by person", "rollback", "shadow", "canary", "clear"]
STEP = st.tuples(st.sampled_from(MOVES), st.sampled_from(VERSIONS), st.sampled_from(list(Event)))


def moved(roles: Roles, move: str, version: str, fitness: dict[str, Fitness]) -> Roles:
    """Return the roles after a move that its pipeline step would allow, else unchanged."""
    if move.startswith("promote") and version != roles.champion:
        return promoted(roles, version, by_person=move.endswith("person"))
    if move == "rollback":
        formers = [Former(v, fitness[v]) for v in roles.standby]
        target = rollbacks.target(formers, lambda _: True)
        if target is None:
            return roles
        left = roles.champion or ""
        if fitness[left] in (Fitness.BLESSED, Fitness.PROVEN):
            fitness[left] = Fitness.ROLLED_BACK
        return rolled_back(roles, target.version)
    if roles.champion in (None, version):
        return roles
    if move == "shadow":
        return shadowing(cleared(roles), version)
    return canarying(roles, version, 10.0, "s") if move == "canary" else cleared(roles)


@given(st.lists(STEP, max_size=40))
def test_random_walks_keep_one_champion_and_a_growing_generation(
    steps: list[tuple[str, str, Event]],
) -> None:
    roles = promoted(Roles(), "v1", by_person=False)
    fitness = dict.fromkeys(VERSIONS, Fitness.BLESSED)
    for move, version, event in steps:
        with contextlib.suppress(RefusedError):
            fitness[version] = after(fitness[version], event)
        before = roles
        roles = moved(roles, move, version, fitness)
        assert roles is before or roles.generation > before.generation
        assert roles.champion is not None
        assert roles.champion not in roles.standby
        assert len(set(roles.standby)) == len(roles.standby)
        assert roles.anchor is not None
        assert sum(roles.share_pct(v) for v in VERSIONS) == 100.0
        assert roles.champion not in (roles.canary, roles.shadow)
        assert roles.loaded()[0] == roles.champion


@given(st.lists(st.tuples(st.sampled_from(list(Fitness)), st.booleans(), st.booleans())))
def test_a_rollback_never_takes_what_is_bad_or_broken(
    formers: list[tuple[Fitness, bool, bool]],
) -> None:
    given_ = [
        Former(f"v{n}", fitness, safe_mode, accepts=1.0 if whole else None)
        for n, (fitness, whole, safe_mode) in enumerate(formers)
    ]
    found = rollbacks.target(given_, lambda f: f.accepts is not None)
    intact = [f for f in given_ if f.accepts is not None]
    usable = [f for f in intact if f.fitness not in NEVER]
    simple = [f for f in intact if f.safe_mode and f.fitness is Fitness.REGISTERED]
    assert (found is None) == (not usable and not simple)
    if found is not None:
        assert found in intact
        assert found.fitness not in (Fitness.ROLLED_BACK, Fitness.REJECTED, Fitness.TAINTED)
        if any(f.fitness is Fitness.PROVEN for f in usable):
            assert found == next(f for f in usable if f.fitness is Fitness.PROVEN)
        elif usable:
            assert found == usable[0]


def test_safe_mode_is_the_last_rung_of_the_ladder() -> None:
    simple = Former("v1-safe", Fitness.REGISTERED, safe_mode=True)
    unproven = Former("v2", Fitness.BLESSED)
    assert rollbacks.ladder([simple]) == [simple]
    assert rollbacks.ladder([simple, unproven]) == [unproven, simple]
    assert rollbacks.ladder([replace(simple, safe_mode=False)]) == []


def test_what_would_refuse_clients_or_knows_too_late_rows_is_no_way_back() -> None:
    until = datetime(2024, 3, 1, tzinfo=UTC)
    late = Former("v3", Fitness.PROVEN, trained_to=until)
    refusing = Former("v2", Fitness.PROVEN, trained_to=until - timedelta(days=9), accepts=0.5)
    early = Former("v1", Fitness.BLESSED, trained_to=until - timedelta(days=20), accepts=0.99)
    unknown = Former("v0", Fitness.PROVEN)
    formers = [late, refusing, early, unknown]
    assert rollbacks.ladder(formers, until) == [refusing, early]
    assert rollbacks.target(formers, lambda _: True, until) == early
    assert rollbacks.target(formers, lambda _: True) == late


def test_a_rollback_helped_only_where_the_intervals_lie_apart() -> None:
    bad, good = Level(0.60, 0.55, 0.65, 900), Level(0.45, 0.42, 0.50, 900)
    near = Level(0.58, 0.53, 0.63, 900)
    assert rollbacks.helped(bad, good, higher=False) is Verdict.PASS
    assert rollbacks.helped(bad, near, higher=False) is Verdict.INCONCLUSIVE
    assert rollbacks.helped(near, bad, higher=False) is Verdict.FAIL
    assert rollbacks.helped(good, bad, higher=True) is Verdict.PASS
    nothing = Level(None, None, None, 12)
    assert rollbacks.helped(bad, nothing, higher=False) is Verdict.INCONCLUSIVE


def test_no_live_row_verifies_nothing() -> None:
    assert rollbacks.verified(0, 0) is Verdict.INCONCLUSIVE
    assert rollbacks.verified(990, 10) is Verdict.PASS
    assert rollbacks.verified(989, 11) is Verdict.FAIL


def test_a_promotion_leaves_the_former_champion_first_in_standby_and_stops_all_others() -> None:
    roles = Roles(4, "v3", "v4", 10.0, None, ("v2", "v1"), "v1", "salt")
    after_it = promoted(roles, "v4", by_person=False)
    assert after_it == Roles(5, "v4", None, 0.0, None, ("v3", "v2", "v1"), "v1", "salt")


def test_the_anchor_moves_when_a_person_promotes_and_with_a_rollback_from_it() -> None:
    roles = promoted(promoted(Roles(), "v1", by_person=False), "v2", by_person=True)
    assert roles.anchor == "v2"
    assert rolled_back(roles, "v1").anchor == "v1"
    assert promoted(roles, "v3", by_person=False).anchor == "v2"


def test_the_version_left_by_a_rollback_keeps_no_role() -> None:
    roles = Roles(4, "v3", "v4", 10.0, "v5", ("v2", "v1"), "v1")
    back = rolled_back(roles, "v2")
    assert back.of("v3") == back.of("v4") == back.of("v5") == []
    assert back.of("v2") == ["champion"]
    assert back.share_pct("v2") == 100.0


def test_a_canary_keeps_its_salt_while_its_share_grows_and_the_next_one_gets_another() -> None:
    first = canarying(promoted(Roles(), "v1", by_person=False), "v2", 10.0, "a")
    assert canarying(first, "v2", 50.0, "b").salt == "a"
    assert canarying(first, "v3", 10.0, "b").salt == "b"
