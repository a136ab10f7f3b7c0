"""What a target is told and when: levels and kinds, throttle, quiet hours, recovery, bounds."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from engine.errors import InvalidError
from engine.settings_notify import NotifySettings, hours
from engine.telemetry.outbox import MAX_FACTS, MAX_WAITING, Outbox, Rule
from engine.wire import EventRow

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NIGHT = (time(22), time(7))


def fact(level: str, kind: str = "alert", text: str = "x", model: str | None = "late") -> EventRow:
    return EventRow(1, "2026-06-01T12:00:00Z", level, kind, model, text)  # type: ignore[arg-type]


def told(box: Outbox, at: datetime) -> list[str]:
    return [f"{m.level} {'over ' * m.recovered}{len(m.facts)}+{m.more}" for m in box.take(at)]


def test_a_target_is_told_what_is_loud_enough_and_of_its_kinds() -> None:
    box = Outbox(Rule("WARN", frozenset({"alert", "job"})))
    for level, kind in (("INFO", "job"), ("ACT", "job"), ("WARN", "job"), ("WARN", "drift"),
                        ("CRIT", "alert"), ("CRIT", "notify")):  # fmt: skip
        box.add(fact(level, kind))
    assert told(box, NOON) == ["CRIT 1+0", "WARN 1+0"]
    assert told(box, NOON) == []


def test_one_message_goes_at_once_and_the_rest_of_its_kind_together_later() -> None:
    box = Outbox(Rule(throttle=timedelta(minutes=10)))
    box.add(fact("WARN"))
    assert told(box, NOON) == ["WARN 1+0"]
    for _ in range(MAX_FACTS + 5):
        box.add(fact("WARN"))
    box.add(fact("WARN", model="air"))
    assert told(box, NOON + timedelta(minutes=9)) == ["WARN 1+0"]
    assert box.waiting() == MAX_FACTS + 5
    # What is worse does not wait for what is not.
    box.add(fact("CRIT"))
    assert told(box, NOON + timedelta(minutes=9)) == ["CRIT 1+0"]
    assert told(box, NOON + timedelta(minutes=10)) == [f"WARN {MAX_FACTS}+5"]


def test_in_quiet_hours_only_what_is_critical_is_told_and_the_rest_at_their_end() -> None:
    box = Outbox(Rule(quiet=NIGHT, zone=ZoneInfo("Europe/Paris")))
    night = datetime(2026, 6, 1, 20, 30, tzinfo=UTC)  # half past ten in Paris
    box.add(fact("WARN"))
    box.add(fact("CRIT"))
    assert told(box, night) == ["CRIT 1+0"]
    assert told(box, datetime(2026, 6, 2, 4, 59, tzinfo=UTC)) == []
    assert told(box, datetime(2026, 6, 2, 5, 0, tzinfo=UTC)) == ["WARN 1+0"]
    # Whoever was woken may hear that it is over.
    box.add(fact("INFO"))
    assert told(box, night + timedelta(days=1)) == ["INFO over 1+0"]


def test_that_it_is_over_is_told_to_those_who_heard_that_it_began() -> None:
    box = Outbox(Rule("CRIT"))
    box.add(fact("INFO", text="all within limits again"))
    assert told(box, NOON) == []
    box.add(fact("CRIT"))
    assert told(box, NOON) == ["CRIT 1+0"]
    box.add(fact("INFO", model="air"))
    box.add(fact("INFO", "ingest"))
    box.add(fact("INFO", text="all within limits again"))
    assert told(box, NOON) == ["INFO over 1+0"]


def test_what_waits_is_bounded_and_what_is_dropped_counted() -> None:
    box = Outbox(Rule(quiet=NIGHT))
    for n in range(MAX_WAITING + 7):
        box.add(fact("WARN", f"kind {n}"))
    assert (box.waiting(), box.dropped) == (MAX_WAITING, 7)


@pytest.mark.parametrize("text", ["22-7h", "22:00", "07:00-07:00", "25:00-07:00", ""])
def test_quiet_hours_are_two_times_of_a_day(text: str) -> None:
    with pytest.raises(InvalidError):
        hours(text)
    with pytest.raises(InvalidError):
        NotifySettings(quiet=text)
