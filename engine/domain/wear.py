"""How a version wears: at which age it was surely worse than when it was new."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

NEEDED = 3


@dataclass(frozen=True, slots=True)
class Aged:
    """A version's metric over one window: its age at the end, and the interval of the value."""

    age_s: float
    value: float
    low: float
    high: float


def worse_from(seen: Sequence[Aged], margin: float, *, higher_is_better: bool) -> float | None:
    """Return the age in seconds at which a version was surely worse than in its first window.

    Surely: the whole interval lies more than `margin` beyond the first value. None where it never
    was, or was not seen twice.
    """
    by_age = sorted(seen, key=lambda a: a.age_s)
    for later in by_age[1:]:
        first = by_age[0].value
        if higher_is_better and later.high < first - margin:
            return later.age_s
        if not higher_is_better and later.low > first + margin:
            return later.age_s
    return None


def usual(ages: Sequence[float | None]) -> float | None:
    """Return the age by which half of the versions were worse; None stands for one that never was.

    None with fewer than NEEDED versions, and where fewer than half became worse: one that was
    replaced while it was good says no more than that it lasted.
    """
    if len(ages) < NEEDED:
        return None
    found = median(float("inf") if age is None else age for age in ages)
    return None if found == float("inf") else found
