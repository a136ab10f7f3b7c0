"""Units that a column may suddenly come in."""

import pytest

from engine.stats import units
from engine.stats.days import Usual


@pytest.mark.parametrize(
    ("mean", "deviation", "name"),
    [
        (600, 100, "values times 10"),
        (6, 1, "values divided by 10"),
        (15.6, 5.6, "degrees Celsius instead of Fahrenheit"),
        (140, 18, "degrees Fahrenheit instead of Celsius"),
        (96.6, 16.1, "kilometres instead of miles"),
        (-60, 10, "the sign turned round"),
    ],
)
def test_a_unit_fits_where_mean_and_deviation_go_back_to_what_they_were(
    mean: float, deviation: float, name: str
) -> None:
    means, spreads = Usual(58, 62, 1), Usual(9, 11, 1)
    fitting = [u.name for u in units.UNITS if units.fits(u, mean, deviation, means, spreads)]
    assert name in fitting


def test_no_unit_fits_what_only_moved() -> None:
    means, spreads = Usual(58, 62, 1), Usual(9, 11, 1)
    assert not [u for u in units.UNITS if units.fits(u, 80, 10, means, spreads)]
