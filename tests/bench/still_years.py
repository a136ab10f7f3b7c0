"""How often still years raise a drift alarm, and how soon a shift in one column is found.

A continuous column is drawn as what its frozen deciles hold: given the reference's rows, the counts
of a day are multinomial, so nothing is lost by not drawing the values.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from engine.domain import drifts
from engine.pipeline.stillness import Gathered, Terms, after
from engine.stats import drift
from tests.bench.figure import Figure

COLUMNS, LOOKS, ROWS = 20, 52, 500
DAYS_A_LOOK = 7
FALSE_ALARMS = 0.05
LIMIT = 0.2
TERMS = Terms(LIMIT, drifts.needed(COLUMNS, FALSE_ALARMS))


@dataclass(frozen=True, slots=True)
class Year:
    """At which look, from 1 on, evidence alone and the verdict first spoke; None for never."""

    evidence: int | None
    verdict: int | None


def year(
    rng: np.random.Generator, reference: int, *, shift: float = 0.0, looks: int = LOOKS
) -> Year:
    """Look at one year of columns, one of them shifted from its first row on, by deviations."""
    evidence = verdict = None
    for column in range(COLUMNS):
        found = _column(rng, reference, shift if column == 0 else 0.0, looks)
        evidence = _first(evidence, found.evidence)
        verdict = _first(verdict, found.verdict)
    return Year(evidence, verdict)


def _column(rng: np.random.Generator, reference: int, shift: float, looks: int) -> Year:
    edges = np.quantile(np.sort(rng.random(reference)), np.arange(1, 10) / 10)
    cuts = ndtr(ndtri(edges) - shift) if shift else edges
    shares = np.diff(cuts, prepend=0.0, append=1.0)
    counts = [reference // 10] * 10
    state = Gathered(counts, [0] * 10)
    sizes = np.diff(np.linspace(0, ROWS, DAYS_A_LOOK + 1).astype(int))
    evidence = None
    for look in range(1, looks + 1):
        days = rng.multinomial(sizes, shares)
        for day in days:
            state = after(state, day.tolist(), "", counts, TERMS)
        if state.evidence >= TERMS.needed:
            evidence = evidence or look
            psi = drift.psi(np.array(counts), days.sum(axis=0))
            if drifts.drifted(psi, LIMIT, state.evidence, TERMS.needed):
                return Year(evidence, look)
    return Year(evidence, None)


def _first(a: int | None, b: int | None) -> int | None:
    return min((v for v in (a, b) if v is not None), default=None)


def false_alarms(years: int, reference: int, seed: int = 0) -> tuple[float, float]:
    """Return the share of still years with enough evidence anywhere, and with any alarm."""
    rng = np.random.default_rng([seed, reference])
    found = [year(rng, reference) for _ in range(years)]
    return (
        sum(f.evidence is not None for f in found) / years,
        sum(f.verdict is not None for f in found) / years,
    )


def found_within(looks: int, years: int, reference: int, shift: float, seed: int = 0) -> float:
    """Return the share of runs in which a shift of one column is found within some looks."""
    rng = np.random.default_rng([seed, reference, 1])
    found = [year(rng, reference, shift=shift, looks=looks) for _ in range(years)]
    return sum(f.verdict is not None for f in found) / years


def measure() -> list[Figure]:
    """Simulate still years and shifted ones for three sizes of the reference."""
    made = []
    for reference, years in ((5_000, 1_000), (500, 200), (50_000, 200)):
        evidence, alarms = false_alarms(years, reference)
        what = f"still years of {LOOKS} looks x {COLUMNS} columns, reference {reference}"
        made.append(Figure(f"{what}, any alarm", 100 * alarms, "%", years, 5.0))
        made.append(Figure(f"{what}, evidence alone", 100 * evidence, "%", years, 5.0))
        share = found_within(2, 200, reference, 0.5)
        shifted = f"half-sd shift in 1 of {COLUMNS}, {ROWS} rows a look, reference {reference}"
        made.append(
            Figure(f"{shifted}, found within 2", 100 * share, "%", 200, 95.0, at_least=True)
        )
    return made
