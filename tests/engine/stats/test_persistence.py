"""What the past would answer uses only what was known, to the moment."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.stats.persistence import HOUR, WEEK, in_time, last_known, means, week_before


def test_the_last_value_is_the_latest_event_whose_outcome_was_known():
    known = np.array([5, 50, 25, 40])  # in order of the events; the second one took long
    first, end = last_known(known, np.array([4, 5, 24, 25, 40, 60]))
    assert list(first[1:]) == [0, 0, 2, 3, 3]
    assert list(end - first) == [0, 1, 1, 1, 1, 1]


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 30)), max_size=20),
    st.lists(st.integers(0, 90), min_size=1, max_size=5),
)
def test_the_last_value_is_that_of_a_plain_search(events, moments):
    events = sorted(events)
    known = np.array([t + late for t, late in events], dtype=np.int64)
    first, end = last_known(known, np.array(moments))
    for moment, a, b in zip(moments, first, end, strict=True):
        seen = [at for at in range(len(events)) if known[at] <= moment]
        assert list(range(a, b)) == seen[-1:]


def test_a_week_before_is_within_half_an_hour_and_never_of_what_came_too_late():
    at = np.array([WEEK + 10 * HOUR])
    times = np.array([9, 9.5, 10, 10.4, 10.5, 11]) * HOUR
    first, end = week_before(times, at)
    assert list(times[first[0] : end[0]] / HOUR) == [9.5, 10, 10.4]
    late = times + np.array([0, WEEK, 0, WEEK - HOUR // 2, 0, 0])
    assert list(in_time(times, late)) == [True, False, True, True, True, True]


def test_a_mean_counts_the_prior_and_an_empty_range_answers_it():
    values = np.array([[1.0], [0.0], [1.0]])
    first, end = np.array([0, 2, 3]), np.array([2, 3, 3])
    prior = np.full((3, 1), 0.4)
    assert means(values, first, end, prior, 1.0)[:, 0].tolist() == [1.4 / 3, 0.7, 0.4]
    assert means(values, first, end, prior, 0.0)[:, 0].tolist() == [0.5, 1.0, 0.4]
