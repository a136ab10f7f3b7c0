"""Which units a canary answers: always the same ones, as many as asked, more when it grows."""

from hypothesis import given
from hypothesis import strategies as st

from engine.domain.traffic import bucket, in_canary

UNITS = [f"client-{n}" for n in range(20_000)]


@given(st.text(), st.text(max_size=70))
def test_a_unit_always_falls_into_the_same_place(unit: str, salt: str) -> None:
    assert 0.0 <= bucket(unit, salt) < 100.0
    assert bucket(unit, salt) == bucket(unit, salt)


@given(st.text(), st.floats(0, 100), st.floats(0, 100))
def test_a_growing_share_takes_nobody_out_of_the_canary(unit: str, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert in_canary(unit, "s", high) or not in_canary(unit, "s", low)


def test_a_share_is_met_within_what_chance_allows() -> None:
    for share in (1, 10, 50, 90):
        hit = sum(in_canary(u, "salt", share) for u in UNITS) / len(UNITS) * 100
        assert abs(hit - share) < 5 * (share * (100 - share) / len(UNITS)) ** 0.5


def test_no_share_is_nobody_and_the_whole_is_everybody() -> None:
    assert not any(in_canary(u, "s", 0.0) for u in UNITS)
    assert all(in_canary(u, "s", 100.0) for u in UNITS)


def test_another_salt_draws_other_units() -> None:
    one = {u for u in UNITS if in_canary(u, "a", 50)}
    two = {u for u in UNITS if in_canary(u, "b", 50)}
    assert abs(len(one & two) / len(UNITS) - 0.25) < 0.02
