"""When a schedule is due: a pure function, and one catch-up run however much was missed."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.jobs import triggers
from engine.jobs.schedule import Alarm, Schedule, caught_up, next_due, schedules
from engine.wire import JobRow
from tests.engine.pipeline.place import SETTINGS, START, Place

DAILY = Schedule("late", "monitor", "1d", None)
MONDAYS = Schedule("late", "train", None, "0 3 * * 1")


def test_an_interval_counts_from_the_last_due_time() -> None:
    at = next_due(DAILY, START, START + timedelta(hours=1))
    assert at == START + timedelta(days=1)
    assert next_due(DAILY, START, START + timedelta(days=30)) == START + timedelta(days=1)


def test_a_cron_line_counts_days_as_crontab_does() -> None:
    monday = datetime(2024, 3, 4, 3, tzinfo=UTC)
    assert next_due(MONDAYS, START, START) == monday
    assert next_due(MONDAYS, monday, monday) == monday + timedelta(days=7)


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("0", "sun"),
        ("1", "mon"),
        ("6", "sat"),
        ("1-5", "mon tue wed thu fri"),
        ("mon-fri", "mon tue wed thu fri"),
        ("0-2", "sun mon tue"),
        ("sat-sun", "sat sun"),
        ("*/2", "sun tue thu sat"),
        ("1,3,Fri", "mon wed fri"),
        ("*", "sun mon tue wed thu fri sat"),
    ],
)
def test_every_way_to_write_days_of_the_week_is_read_as_in_crontab(field: str, days: str) -> None:
    schedule, at, found = Schedule("m", "train", None, f"30 4 * * {field}"), START, set()
    while at < START + timedelta(days=8):
        due = next_due(schedule, at, at)
        assert due is not None
        at = due
        if at < START + timedelta(days=7, hours=4, minutes=30):
            found.add(at.strftime("%a").lower())
    assert found == set(days.split())


def test_a_catch_up_answers_for_everything_missed() -> None:
    now = START + timedelta(days=10, hours=5)
    assert caught_up(DAILY, START + timedelta(days=1), now) == START + timedelta(days=10)
    assert caught_up(MONDAYS, datetime(2024, 3, 4, 3, tzinfo=UTC), now) == now


class Queue:
    """Takes submissions as the runner does, and only counts them."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []

    def submit(self, model: str, job: str, cause: str) -> JobRow:
        self.taken.append((job, cause))
        return JobRow("r1", model, job, "queued", cause, "")


@pytest.fixture
def place(tmp_path: Any) -> Any:
    found = Place.made(tmp_path, SETTINGS.replace("seeds = 1", 'seeds = 1\ncron = "0 3 * * *"'))
    yield found
    found.close()


def due(place: Place) -> list[str]:
    queue: Any = Queue()
    triggers.due(place, queue)
    return [job for job, _ in queue.taken]


def test_schedules_begin_to_count_with_the_first_champion(place: Place) -> None:
    assert due(place) == []
    place.clock.passes(days=30)
    assert due(place) == []
    place.champions(0.5)
    assert due(place) == []
    place.clock.passes(days=1)
    assert sorted(due(place)) == ["monitor", "train"]
    assert due(place) == []


def test_a_downtime_over_ten_due_times_makes_exactly_one_run_of_each(place: Place) -> None:
    place.champions(0.5)
    due(place)
    place.clock.passes(days=10, hours=1)
    assert sorted(due(place)) == ["monitor", "train"]
    assert due(place) == []
    place.clock.passes(hours=22)
    assert due(place) == ["train"]  # 02:10 has passed 03:00 of the day before only once
    place.clock.passes(days=1)
    assert sorted(due(place)) == ["monitor", "train"]


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=30), timedelta(days=3650)])
def test_a_clock_set_forward_and_back_makes_no_storm_and_no_standstill(
    place: Place, jump: timedelta
) -> None:
    place.champions(0.5)
    due(place)
    place.clock.time += jump
    assert len(due(place)) <= 2
    place.clock.time -= jump
    assert due(place) == []
    place.clock.passes(days=1, hours=1)
    assert sorted(due(place)) == ["monitor", "train"]


def test_ten_edits_and_three_reloads_at_once_leave_the_schedules_of_the_last(place: Place) -> None:
    alarm = Alarm(lambda: None)
    edits = [[(Schedule("late", "monitor", f"{n}d", None), START)] for n in range(1, 11)]
    wanted = [(s, START) for s in schedules(place.settings)]
    before = threading.active_count()
    edited = [threading.Thread(target=alarm.set, args=(w,)) for w in (*edits, *[wanted] * 3)]
    for thread in edited:
        thread.start()
    for thread in edited:
        thread.join()
    assert len(alarm.held) in (1, len(wanted))  # whichever came last, whole
    alarm.set(wanted)
    assert sorted(alarm.held) == ["late monitor every 1d", "late train cron 0 3 * * *"]
    for thread in threading.enumerate():
        if thread.name == "APScheduler" and threading.active_count() > before + 1:
            thread.join(5.0)
    assert threading.active_count() == before + 1
    alarm.stop()
    assert alarm.held == []


def test_a_jump_of_ten_years_counts_up_no_times_that_were_missed(place: Place) -> None:
    alarm = Alarm(lambda: None)
    every_second = Schedule("late", "monitor", "1s", None)
    every_minute = Schedule("late", "train", None, "* * * * *")
    alarm.set([(every_second, START), (every_minute, START)])
    assert alarm._scheduler is not None
    try:
        for job in alarm._scheduler.get_jobs():
            times = job._get_run_times(job.next_run_time + timedelta(days=3653))
            assert 1 <= len(times) <= 2  # APScheduler's own triggers: 316 million and 5 million
    finally:
        alarm.stop()


def test_any_number_of_wake_ups_at_once_makes_no_burst(place: Place) -> None:
    place.champions(0.5)
    due(place)
    place.clock.passes(days=1)
    taken = [job for _ in range(50) for job in due(place)]
    assert sorted(taken) == ["monitor", "train"]


def test_new_rows_train_the_first_version_always_and_later_ones_by_policy(place: Place) -> None:
    queue: Any = Queue()
    triggers.new_data(place, queue, ["late"])
    assert queue.taken == [("train", "first data")]
    place.champions(0.5)
    triggers.new_data(place, queue, ["late"])
    assert len(queue.taken) == 1
    assert [row.job for row in triggers.rows(place)] == ["train", "monitor"]
