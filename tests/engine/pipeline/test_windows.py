"""Which windows can be fitted, and how new rows must be."""

import numpy as np

from engine.pipeline import enough, windows

DAYS = np.arange(1_000.0)
LABELS = np.where(np.arange(1_000) < 100, 2, np.arange(1_000) % 2)


def test_a_window_without_every_class_is_passed_over() -> None:
    found = windows.complete(["all", "365d"], 3, LABELS, DAYS, [900.0, 1_000.0])
    assert found == ["all"]
    assert windows.complete(["365d"], 3, LABELS, DAYS, [900.0]) == ["365d"]
    assert windows.complete(["365d", "950d"], 3, LABELS, DAYS, [900.0, 1_000.0]) == ["950d"]


def test_a_small_table_needs_fewer_newer_rows() -> None:
    assert [enough.newer_needed(n) for n in (200, 1_461, 4_000, 100_000)] == [20, 73, 200, 200]
