"""Scores are kept for ever and read by their newest windows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.store import scores
from engine.store.connection import Store
from engine.store.scores import Score

START = datetime(2024, 3, 1, tzinfo=UTC)


def test_the_newest_windows_come_whole_and_oldest_first(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.duckdb", tmp_path)
    for day in range(5):
        until = START + timedelta(days=day)
        found = [Score("m", "v1", "drift", name, START, until, day, 9) for name in "ab"]
        scores.put(store, found, until)
    newest = scores.history(store, "m", "drift", windows=2)
    assert [(s.name, s.value) for s in newest] == [("a", 3), ("b", 3), ("a", 4), ("b", 4)]
    assert len(scores.history(store, "m", "drift")) == 10
    store.close()


def test_a_window_that_several_looks_measured_is_told_as_the_newest_found_it(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "store.duckdb", tmp_path)
    week = [START, START + timedelta(days=7)]
    for day, value in enumerate((0.5, 0.4)):
        one = Score("late", "served", "period", "log_loss", *week, value, 300)
        scores.put_look(store, "late", week[1] + timedelta(days=day), [one])
    (found,) = scores.history(store, "late", "period")
    assert found.value == 0.4
    assert [len(known) for known in scores.by_look(store, "late").values()] == [1, 1]
    store.close()
