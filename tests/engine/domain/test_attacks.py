"""Which measurements are a sign, and when one ends."""

import pytest

from engine.domain.attacks import FEWEST, Kind, Labelled, Sent, signs, skewed


def sent(n: int = 100, crowded: int = 0, independence: float | None = 0.0) -> Sent:
    return Sent(n, crowded, crowded, None, independence)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (sent(), set()),
        (sent(crowded=14), set()),
        (sent(crowded=15), {Kind.PROBING}),
        (sent(independence=0.54), set()),
        (sent(independence=0.55), {Kind.EXTRACTION}),
        (sent(independence=None), set()),
        (sent(crowded=90, independence=0.9), {Kind.PROBING, Kind.EXTRACTION}),
        (sent(FEWEST - 1, crowded=FEWEST - 1, independence=1.0), set()),
    ],
)
def test_a_sign_is_a_measure_at_its_limit_of_enough_rows(found: Sent, expected: set[Kind]) -> None:
    assert signs(found) == expected


def test_a_sign_that_stands_ends_at_half_its_limit() -> None:
    standing = frozenset({Kind.PROBING})
    assert signs(sent(crowded=8), standing) == standing
    assert signs(sent(crowded=7), standing) == frozenset()
    assert signs(sent(FEWEST - 1), standing) == standing


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Labelled(100, -0.5, 8.0, -0.2, 0.0), True),
        (Labelled(99, -0.5, 8.0, -0.2, 0.0), False),
        (Labelled(100, -0.3, 8.0, -0.2, 0.0), False),
        (Labelled(100, -0.5, 6.0, -0.2, 0.0), False),
        (Labelled(100, 0.5, 8.0, 0.0, -0.2), False),
    ],
)
def test_labels_are_skewed_where_far_sure_many_and_further_from_the_answers(
    found: Labelled, expected: bool
) -> None:
    assert skewed(found) is expected


def test_a_skew_that_stands_ends_at_half_its_limit() -> None:
    assert skewed(Labelled(100, 0.21, 0.0, 0.0, 0.1), standing=True)
    assert not skewed(Labelled(100, 0.19, 9.0, 0.2, 0.1), standing=True)
