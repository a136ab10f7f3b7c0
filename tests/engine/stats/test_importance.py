"""A column is worth what the model loses without it; one that says nothing is worth nothing."""

import numpy as np

from engine.stats import importance


def loss(labels: np.ndarray, answers: np.ndarray) -> float:
    return float(np.mean((labels - answers) ** 2))


def test_the_column_that_the_answer_rests_on_is_worth_most() -> None:
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(5000, 3))
    labels = 2 * matrix[:, 0] + 0.1 * matrix[:, 1]
    calls = []

    def answers(rows: np.ndarray) -> np.ndarray:
        calls.append(len(rows))
        return 2 * rows[:, 0] + 0.1 * rows[:, 1]

    kept = matrix.copy()
    found = importance.permutation(matrix, labels, answers, loss, np.random.default_rng(2))
    again = importance.permutation(matrix, labels, answers, loss, np.random.default_rng(2))
    assert found == again
    assert found[0] > 7 > found[1] > 0  # type: ignore[operator]
    assert found[2] == 0.0
    assert max(calls) <= importance.ROWS
    assert np.array_equal(matrix, kept)


def test_too_few_rows_tell_nothing() -> None:
    rng = np.random.default_rng(1)
    assert importance.permutation(np.ones((1, 2)), np.ones(1), lambda m: m, loss, rng) == [None] * 2
    none = importance.permutation(np.ones((3, 1)), np.ones(3), lambda m: m, lambda a, b: None, rng)
    assert none == [None]
