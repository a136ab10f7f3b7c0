"""Evidence that may be looked at as often as one likes: boundaries, confidence sequences, e-values.

Everything holds at all times at once, so stopping when it looks good is allowed. What to do about
a crossed boundary is decided elsewhere.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.stats.performance import Floats

RATE_RATIOS = (1.5, 2.0, 3.0, 5.0, 10.0)
_STEPS = 200
_SMALLEST = 1e-30


def normal_mixture_r(alpha: float, v_opt: float) -> float:
    """Return the mixture variance that makes the boundary tightest near variance `v_opt`.

    Formula: r = v_opt / (2 ln(1/a) + ln(1 + 2 ln(1/a))), Howard, Ramdas, McAuliffe & Sekhon 2021,
    Ann. Stat. 49:1055. Above 0 for v_opt above 0. For a one-sided boundary pass 2 alpha.
    """
    twice = 2.0 * math.log(1.0 / alpha)
    return v_opt / (twice + math.log1p(twice))


def normal_mixture_log(s: float, v: float, r: float) -> float:
    """Return the log of the two-sided normal mixture martingale at sum `s`, variance `v`.

    Formula: ln(r / (v + r)) / 2 + s^2 / (2 (v + r)), same source; any real number, 0 at the start.
    """
    return 0.5 * math.log(r / (v + r)) + s * s / (2.0 * (v + r))


def normal_mixture_bound(v: float, r: float, alpha: float) -> float:
    """Return how far a sub-Gaussian sum may ever be from 0 at variance `v`, two-sided.

    Formula: u(v) = sqrt((v + r) ln((v + r) / (r a^2))), same source; above 0, also at v = 0.
    """
    return math.sqrt((v + r) * math.log((v + r) / (r * alpha * alpha)))


def normal_mixture_bound_one_sided(v: float, r: float, alpha: float) -> float:
    """Return how far above 0 a sub-Gaussian sum may ever be at variance `v`.

    Formula: the root of ln(4 r / (v + r)) / 2 + s^2 / (2 (v + r)) + ln Phi(s / sqrt(v + r)) =
    ln(1 / a), same source, found by bisection; at least 0, below the two-sided bound.
    """

    def excess(s: float) -> float:
        tail = 0.5 * math.erfc(-s / math.sqrt(2.0 * (v + r)))
        return normal_mixture_log(s, v, r) + math.log(2.0) + math.log(tail) + math.log(alpha)

    return _root(excess, 0.0, normal_mixture_bound(v, r, alpha))


def rate_interval(
    successes: int, trials: int, alpha: float, t_opt: float | None = None
) -> tuple[float, float] | None:
    """Return a confidence sequence for a rate: at each look, where the rate is, all looks valid.

    Formula: all p whose beta-binomial mixture stays under 1/a. Without `t_opt` the mixture is
    Beta(1, 1) (Robbins 1970); with it, Howard et al. 2021, tightest near t_opt trials. In [0, 1]
    and holds successes/trials. None without trials; all successes reach 1, none reach 0.
    """
    if trials <= 0:
        return None

    failures = trials - successes
    return (
        _lowest_rate(successes, failures, alpha, t_opt),
        1.0 - _lowest_rate(failures, successes, alpha, t_opt),
    )


def _lowest_rate(hits: int, misses: int, alpha: float, t_opt: float | None) -> float:
    """Return the smallest rate that the mixture has not ruled out."""
    if hits == 0:
        return 0.0

    def kept(p: float) -> float:
        return -math.log(alpha) - _beta_binomial_log(hits, misses, p, t_opt)

    return _root(kept, _SMALLEST, hits / (hits + misses))


def _beta_binomial_log(hits: int, misses: int, p: float, t_opt: float | None) -> float:
    """Return the log of the mixture likelihood over the likelihood of rate p."""
    p = min(p, 1.0 - 1e-12)
    a = b = 1.0
    if t_opt is not None:
        spread = p * (1.0 - p)
        r = max(normal_mixture_r(0.05, t_opt * spread) - spread, 1e-3 * spread)
        a, b = r / (1.0 - p), r / p
    mixture = _log_beta(a + hits, b + misses) - _log_beta(a, b)
    return mixture - hits * math.log(p) - misses * math.log1p(-p)


@dataclass(frozen=True, slots=True)
class RatioEvidence:
    """Evidence that something bad (an error, a slow answer) meets a canary's rows more often.

    Given that it happened, it is the canary's with chance w, its share of the traffic, where both
    arms are alike, and with w q / (w q + 1 - w) where it meets the canary q times as often. The
    e-value is the mean over the rate ratios q of the likelihood ratios: 1 at the start, at least 0,
    and above 1/a with chance at most a, ever, for a canary that is no worse. The share may change
    at any time.
    """

    logs: tuple[float, ...] = (0.0,) * len(RATE_RATIOS)

    def after(self, canary: int, champion: int, share: float) -> "RatioEvidence":
        """Return the evidence after that many bad rows of each at one traffic share of the canary.

        None of them change nothing; nor does a share outside (0, 1), which compares nothing.
        """
        if not 0.0 < share < 1.0:
            return self
        logs = []
        for log, q in zip(self.logs, RATE_RATIOS, strict=True):
            spread = math.log(share * q + 1.0 - share)
            logs.append(log + canary * (math.log(q) - spread) - champion * spread)
        return RatioEvidence(tuple(logs))

    def after_rows(self, canary: tuple[int, int], champion: tuple[int, int]) -> "RatioEvidence":
        """Return the evidence after a block of (rows, bad rows) of each.

        The share is that of the block itself, so a client with much traffic misleads nobody. Given
        the bad rows, the canary's are hypergeometric, on which a convex likelihood ratio is on
        average at most what it is on a binomial (Hoeffding 1963): still an e-value.
        """
        rows = canary[0] + champion[0]
        return self.after(canary[1], champion[1], canary[0] / rows) if rows else self

    @property
    def log_e(self) -> float:
        """Return the natural log of the e-value; it never overflows."""
        top = max(self.logs)
        return top + math.log(math.fsum(math.exp(log - top) for log in self.logs) / len(self.logs))

    @property
    def e(self) -> float:
        """Return the e-value, at most 1e300."""
        return math.exp(min(self.log_e, 690.0))


def rows_to_detect(share: float, before: float, after: float, alpha: float) -> float:
    """Return about how many rows in all it takes until the e-value of `RatioEvidence` is 1/a.

    At the counts expected where a bad row has chance `before` of the champion's and `after` of the
    canary's; luck makes the median a tenth to a third lower. Above 0; infinite where the canary is
    no worse, or one arm gets nothing.
    """
    if not (0.0 < share < 1.0 and 0.0 < before < after):
        return math.inf
    bad = share * after + (1.0 - share) * before
    evidence = RatioEvidence().after(1, 0, share).logs, RatioEvidence().after(0, 1, share).logs
    theirs = share * after / bad
    drift = [
        bad * (theirs * own + (1.0 - theirs) * other) for own, other in zip(*evidence, strict=True)
    ]

    def excess(rows: float) -> float:
        return RatioEvidence(tuple(rows * d for d in drift)).log_e + math.log(alpha)

    most = (math.log(1.0 / alpha) + math.log(len(RATE_RATIOS))) / max(*drift, _SMALLEST)
    return math.inf if max(drift) <= 0.0 else _root(excess, 0.0, most)


def mean_bounds(
    values: Floats, n_opt: float, alpha_low: float, alpha_high: float
) -> tuple[float, float] | None:
    """Return how low and how high the mean of rows may be; each bound holds at all looks at once.

    Formula: mean -/+ sd u(n) / n with the one-sided normal mixture boundary u, tightest near n_opt
    rows: the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024,
    Ann. Stat. 52:2613. It is of the average of what was to be expected of each row given those
    before it, so rows may depend on each other. Too narrow on a few dozen rows. None for fewer than
    two rows or a NaN; all equal: no width.
    """
    n = len(values)
    if n < 2 or not np.isfinite(values).all():
        return None
    mean, sd = float(np.mean(values)), float(np.std(values))
    reach = [
        sd * normal_mixture_bound_one_sided(n, normal_mixture_r(2.0 * alpha, n_opt), alpha) / n
        for alpha in (alpha_low, alpha_high)
    ]
    return mean - reach[0], mean + reach[1]


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function crosses from below 0 to above it between low and high."""
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if rising(middle) < 0.0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
