"""Times as text, and a simulated clock that never goes back."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import SimulatedClock, SystemClock, iso, parse_time
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
