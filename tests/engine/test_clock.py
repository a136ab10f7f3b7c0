"""Times as text, and a simulated clock that never goes back."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import SimulatedClock, SystemClock, ended, iso, parse_time
from engine.errors import InvalidError

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 30), timezones=ZONES)  # noqa: DTZ001


@given(MOMENTS)
def test_a_moment_survives_being_written_in_any_zone(moment: datetime) -> None:
    assert parse_time(iso(moment)) == moment
    assert parse_time(moment.isoformat()) == moment
    assert iso(moment).endswith("Z")


def test_a_time_without_a_zone_is_utc() -> None:
    assert parse_time("2024-03-01T12:00:00") == datetime(2024, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2024-13-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
)
def test_what_is_no_time_that_can_be_kept_is_invalid(text: str) -> None:
    with pytest.raises(InvalidError, match="Write it like") as found:
        parse_time(text)
    assert found.value.code == "bad_time"


class Set(SystemClock):
    """A clock that shows one time while its seconds go on."""

    def __init__(self, now: datetime, seconds: float) -> None:
        self._now, self._seconds = now, seconds

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds


@pytest.mark.parametrize("off", [timedelta(hours=-1), timedelta(hours=1), timedelta(days=3653)])
def test_what_the_clock_was_set_during_has_ended_after_as_long_as_it_took(off: timedelta) -> None:
    began = datetime(2024, 3, 1, tzinfo=UTC)
    took = timedelta(seconds=90)
    assert ended(Set(began + off + took, 190.0), began, 100.0) == began + took
    slewed = began + took + timedelta(seconds=0.3)
    assert ended(Set(slewed, 190.0), began, 100.0) == slewed
    simulated = SimulatedClock(began + off)
    assert ended(simulated, began, simulated.monotonic() - 90.0) == began + off


def test_a_simulated_clock_moves_only_forward() -> None:
    clock = SimulatedClock(datetime(2024, 3, 1, tzinfo=UTC))
    clock.advance(datetime(2024, 3, 2, tzinfo=UTC))
    clock.advance(datetime(2024, 2, 1, tzinfo=UTC))
    assert clock.now() == datetime(2024, 3, 2, tzinfo=UTC)
    assert clock.wall() > clock.now()


def test_the_machines_clock_has_one_time_for_decisions_and_people() -> None:
    clock = SystemClock()
    assert abs(clock.wall() - clock.now()) < timedelta(seconds=5)
    assert clock.monotonic() <= clock.monotonic()
