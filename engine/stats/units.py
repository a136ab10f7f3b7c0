"""Units that a column may suddenly come in: each an affine map of the one it had before."""

from dataclasses import dataclass

from engine.stats.days import Usual


@dataclass(frozen=True, slots=True)
class Unit:
    """A change of unit: what is delivered is factor * value + offset."""

    name: str
    factor: float
    offset: float = 0.0


def _both_ways(one: str, other: str, factor: float) -> list[Unit]:
    return [
        Unit(f"{other} instead of {one}", factor),
        Unit(f"{one} instead of {other}", 1 / factor),
    ]


UNITS = [
    Unit("degrees Celsius instead of Fahrenheit", 5 / 9, -160 / 9),
    Unit("degrees Fahrenheit instead of Celsius", 1.8, 32.0),
    Unit("Kelvin instead of degrees Celsius", 1.0, 273.15),
    Unit("degrees Celsius instead of Kelvin", 1.0, -273.15),
    *(Unit(f"values times {f:g}", f) for f in (10.0, 100.0, 1000.0, 1e6)),
    *(Unit(f"values divided by {f:g}", 1 / f) for f in (10.0, 100.0, 1000.0, 1e6)),
    *_both_ways("miles", "kilometres", 1.609344),
    *_both_ways("knots", "kilometres per hour", 1.852),
    *_both_ways("metres per second", "kilometres per hour", 3.6),
    *_both_ways("metres per second", "miles per hour", 2.236936),
    *_both_ways("feet", "metres", 0.3048),
    *_both_ways("inches", "centimetres", 2.54),
    *_both_ways("inches", "millimetres", 25.4),
    *_both_ways("pounds", "kilograms", 0.45359237),
    *_both_ways("hours", "minutes", 60.0),
    *_both_ways("hours", "seconds", 3600.0),
    *_both_ways("days", "hours", 24.0),
    Unit("the sign turned round", -1.0),
]


def fits(unit: Unit, mean: float, deviation: float, means: Usual, spreads: Usual) -> bool:
    """Say whether mean and deviation, taken back to the old unit, are as they lately were."""
    back, width = (mean - unit.offset) / unit.factor, deviation / abs(unit.factor)
    slack = 0.25 * (spreads.high + spreads.step)
    return (
        means.outside(back) <= means.step + slack and spreads.outside(width) <= spreads.step + slack
    )
