"""How much one column alone tells of the target."""

import numpy as np

from engine.stats import telling


def left(values: object, target: object, *, number: bool = False) -> float | None:
    places = telling.places(np.asarray(values))
    assert places is not None
    return telling.unexplained(places, np.asarray(target, dtype=np.float64), number=number)


def test_a_copy_leaves_nothing_and_noise_leaves_all() -> None:
    rng = np.random.default_rng(1)
    target = (rng.random(2_000) < 0.4).astype(np.float64)
    assert left(target * 7 + 1, target) == 0
    noise = left(rng.normal(size=2_000), target)
    assert noise is not None
    assert noise > 0.9
    names = np.array(["x" if t else "y" for t in target], dtype=object)
    assert left(names, target) == 0


def test_of_a_number_it_is_the_variance_left() -> None:
    rng = np.random.default_rng(2)
    target = rng.normal(size=2_000)
    copy, noise = (
        left(target, target, number=True),
        left(rng.normal(size=2_000), target, number=True),
    )
    assert copy is not None
    assert noise is not None
    assert copy < 0.01 < 0.9 < noise


def test_names_of_things_few_rows_and_one_class_tell_nothing() -> None:
    assert telling.places(np.array([f"n{i}" for i in range(100)], dtype=object)) is None
    assert telling.places(np.empty(0)) is None
    assert left(np.arange(10.0), [0, 1] * 5) is None
    assert left(np.arange(100.0), np.zeros(100)) is None
    assert left(np.arange(100.0), np.ones(100), number=True) is None
