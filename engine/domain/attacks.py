"""When queries of a client, or outcomes of a source, are a sign of an attack. Pure decisions.

The limits were set on real rows; tests/bench/attacks.py measures how often honest clients and
sources cross them, on the same year of flights.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

# So many of a client's newest distinct rows are looked at, and so many are needed.
WINDOW = 300
FEWEST = 50
CROWDED = 0.15
INDEPENDENT = 0.55
# A sign ends where what it measures has fallen below this part of its limit.
ENDED = 0.5
# Labels of a source, so far from the others' in their standard deviations, so surely, of so many.
LABELLED = 100
APART = 0.4
ALPHA = 0.001


class Kind(StrEnum):
    """The signs that are told."""

    PROBING = "probing"
    EXTRACTION = "extraction"
    LABELS = "skewed labels"
    TAMPERED = "tampered artifact"


@dataclass(frozen=True, slots=True)
class Sent:
    """What was measured of a client's newest distinct rows; None where it cannot be told."""

    n: int
    near: int
    crowded: int
    flips: float | None
    independence: float | None


def signs(sent: Sent, standing: frozenset[Kind] = frozenset()) -> frozenset[Kind]:
    """Return the signs that a client's rows show; one that stands ends at half its limit."""
    if sent.n < FEWEST:
        return standing
    measured = {
        Kind.PROBING: (sent.crowded / sent.n, CROWDED),
        Kind.EXTRACTION: (sent.independence or 0.0, INDEPENDENT),
    }
    return frozenset(
        kind
        for kind, (value, limit) in measured.items()
        if value >= limit * (ENDED if kind in standing else 1.0)
    )


@dataclass(frozen=True, slots=True)
class Labelled:
    """What was measured of a source's labels against the others'; see stats.feedback."""

    n: int
    apart: float
    log_e: float
    own: float
    others: float


def skewed(found: Labelled, *, standing: bool = False) -> bool:
    """Say whether a source's labels surely lie elsewhere than the others' and than the answers.

    Of two sources that differ it is the one that disagrees more with what was answered.
    """
    if standing:
        return found.n >= LABELLED and abs(found.apart) >= APART * ENDED
    sure = found.log_e >= -math.log(ALPHA)
    further = abs(found.own) > abs(found.others)
    return found.n >= LABELLED and abs(found.apart) >= APART and sure and further
