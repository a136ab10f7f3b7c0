"""The sequential detector: what it promises, that blocks do not matter, and every odd input."""

import math
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from engine.stats.detector import Detector, begun

Draw = Callable[[np.random.Generator, int], np.ndarray]
DRAWS: dict[str, Draw] = {
    "skewed": lambda rng, n: rng.exponential(size=n),
    "right or wrong": lambda rng, n: (rng.random(n) < 0.2).astype(float),
    "seven values": lambda rng, n: rng.integers(0, 7, n).astype(float),
    "all equal": lambda _, n: np.ones(n),
}


def normal(seed: int, n: int, mean: float = 0.0, sd: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, sd, n)


def started(*, worse: bool = False, n: int = 1000) -> Detector:
    return begun(normal(1, n), alpha=0.05, worse=worse, seed=3)


@pytest.mark.parametrize("worse", [True, False])
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_still_streams_alarm_at_most_as_often_as_promised(draw: Draw, *, worse: bool) -> None:
    rng = np.random.default_rng(7)
    runs = [begun(draw(rng, 200), alpha=0.05, worse=worse, seed=s) for s in range(25)]
    assert sum(run.after(draw(rng, 2000)).alarmed for run in runs) <= 3


def test_the_chance_of_each_cell_is_exact_where_the_calibration_sample_is_small() -> None:
    """Mean evidence after a fixed number of rows is 1, as of any fair bet."""
    rng = np.random.default_rng(5)
    runs = [begun(rng.random(9), alpha=1e-9, worse=True, seed=s) for s in range(1200)]
    assert all(max(run.tolls) >= 0.0 for run in runs)
    free = [msgspec.structs.replace(run, tolls=(0.0,) * len(run.tolls)) for run in runs]
    ends = [math.exp(run.after(rng.random(6)).log_e) for run in free]
    assert np.mean(ends) == pytest.approx(1.0, abs=0.04)


def test_a_shift_is_seen_soon_and_dated() -> None:
    found = started().after(np.concatenate([normal(2, 2000), normal(3, 1000, mean=1.0)]))
    assert found.alarmed
    assert 2000 < found.rows < 2200
    assert found.began is not None
    assert abs(found.began - 2001) < 25
    assert found.log_e >= math.log(20.0)


def test_a_spread_that_grows_is_seen() -> None:
    found = started().after(np.concatenate([normal(2, 2000), normal(3, 1000, sd=2.0)]))
    assert found.alarmed
    assert 2000 < found.rows < 2400


def test_only_the_worse_direction_alarms_where_that_is_asked() -> None:
    before = started(worse=True).after(normal(2, 1000))
    assert not before.after(normal(3, 3000, mean=-1.0)).alarmed
    assert before.after(normal(3, 300, mean=1.0)).alarmed


def test_a_few_rows_that_are_far_out_are_enough() -> None:
    """One row in twenty fails badly; the mean would take far longer to move."""
    values = np.concatenate([normal(2, 1000), normal(3, 600)])
    values[1010::20] += 8.0
    found = started(worse=True).after(values)
    assert found.alarmed
    assert found.rows < 1300


def test_blocks_do_not_matter() -> None:
    values = np.concatenate(
        [normal(2, 700), [np.nan, np.inf, -np.inf, 0.0], normal(3, 500, mean=1.5)]
    )
    whole = started().after(values)
    by_one = started()
    for value in values:
        by_one = by_one.after([value])
    assert whole.alarmed
    assert msgspec.json.encode(by_one) == msgspec.json.encode(whole)


def test_what_is_stored_comes_back_as_it_was() -> None:
    for found in (
        started(),
        started().after(normal(2, 100)),
        begun([], alpha=0.1, worse=True, seed=0),
    ):
        assert msgspec.json.decode(msgspec.json.encode(found), type=Detector) == found


def test_nothing_changes_after_the_alarm() -> None:
    alarmed = started().after(normal(3, 300, mean=2.0))
    assert alarmed.alarmed
    assert alarmed.after([1.0, math.nan]) == alarmed


@pytest.mark.parametrize("sample", [[], [math.nan] * 5, [2.0], [math.inf] * 4, [1.0] * 500])
def test_a_sample_that_tells_nothing_never_alarms_on_more_of_the_same(sample: list[float]) -> None:
    found = begun(sample, alpha=0.05, worse=False, seed=1)
    assert found.log_e == 0.0
    assert found.began is None
    assert not found.after((sample or [1.0]) * 200).alarmed


def test_without_a_sample_there_is_no_evidence() -> None:
    found = begun([], alpha=0.05, worse=False, seed=1).after(normal(2, 500))
    assert found.log_e == pytest.approx(0.0)
    assert (found.rows, found.alarmed) == (500, False)


def test_nan_is_skipped_and_counted_and_infinities_are_the_largest() -> None:
    found = started(worse=True).after([math.nan] * 3 + [math.inf] * 20)
    assert found.alarmed
    assert found.skipped == 3
    assert started(worse=True).after([math.nan]).rows == 0


def test_spells_known_from_the_calibration_rows_are_no_change() -> None:
    """Nights that are worse every day alarm only where they are worse than any known night."""
    hours = np.arange(24 * 40) % 24
    nights = np.where(hours > 16, 1.5, 0.0)
    rows = normal(5, 24 * 40) + nights
    known, live = rows[: 24 * 14], rows[24 * 14 :]
    assert not begun(known, alpha=0.05, worse=True, seed=1).after(live).alarmed
    assert begun(known, alpha=0.05, worse=True, seed=1).after(live + 3.0).rows < 100
