"""A frozen column as bars for people: few enough to be seen, each the exact sum of whole bins."""

import numpy as np

from engine.stats.profile import CategoricalProfile
from engine.stats.tally import OTHERS

MOST = 23


def edges(frozen: list[float], most: int = MOST) -> list[float]:
    """Return the edges of at most `most` bars, about equally wide, from a reference's own edges.

    Evenly spaced from the first frozen edge to the last, each moved to the nearest frozen one and
    said once. The outer bars are open. No edge gives none: one bar holds all; few enough stay.
    """
    if len(frozen) < most:
        return list(frozen)
    own = np.asarray(frozen, dtype=np.float64)
    # Halves, because the distance of neighbours near the largest float has no float.
    wanted = np.linspace(own[0] / 2, own[-1] / 2, most - 1)
    after = np.clip(np.searchsorted(own / 2, wanted), 1, len(own) - 1)
    nearer = wanted - own[after - 1] / 2 < own[after] / 2 - wanted
    return [float(v) for v in np.unique(own[np.where(nearer, after - 1, after)])]


def categories(
    reference: CategoricalProfile, now: CategoricalProfile, most: int = MOST
) -> tuple[list[str], list[int], list[int]]:
    """Return names and both counts of at most `most` bars, the largest share of either side first.

    Ties go by name. What has no bar of its own is in the last, "(others)". No rows: no bars.
    """

    def share(name: str) -> float:
        sides = ((p.counts.get(name, 0), sum(p.counts.values())) for p in (reference, now))
        return max(count / n if n else 0.0 for count, n in sides)

    names = sorted(reference.counts.keys() | now.counts.keys())
    names.sort(key=lambda name: (name == OTHERS, -share(name)))
    kept = names if len(names) <= most else names[: most - 1]
    counts = [[p.counts.get(name, 0) for name in kept] for p in (reference, now)]
    rest = [sum(p.counts.values()) - sum(c) for p, c in zip((reference, now), counts, strict=True)]
    if len(kept) < len(names):
        kept = [*kept, OTHERS]
        counts = [[*c, r] for c, r in zip(counts, rest, strict=True)]
    return kept, counts[0], counts[1]
