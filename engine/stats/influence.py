"""How much better one model is than another, as one number a row: what any sequence can be fed.

The mean of the rows is the difference of the metrics, also of those that are no mean of rows.
"""

import numpy as np

from engine.stats import performance
from engine.stats.performance import Floats, Labels

CERTAIN = 1e-3


def improvement(metric: str, task: str, labels: Labels, a: Floats, b: Floats) -> Floats | None:
    """Return a number a row whose mean is how much better `b` does than `a`; positive is better.

    A mean of rows: the rows' differences. Root mean squared error and AUC: the difference plus each
    row's influence on it (von Mises 1947; for AUC the placements of DeLong, DeLong &
    Clarke-Pearson 1988). For log loss answers are kept within 0.001 of certainty, so that a row is
    bounded. None without rows, for a NaN, and for AUC with one class; identical answers give zeros.
    """
    known = performance.metric_named(metric, task)
    if known.form == "ranks":
        return _ranked(labels, a[:, 0], b[:, 0])
    if known.name == "log_loss":
        a, b = np.clip(a, CERTAIN, 1.0 - CERTAIN), np.clip(b, CERTAIN, 1.0 - CERTAIN)
    before = performance.row_terms(metric, task, labels, a)
    after = performance.row_terms(metric, task, labels, b)
    if before is None or after is None:
        return None
    sign = 1.0 if known.higher_is_better else -1.0
    if known.form == "root":
        before, after = _rooted(before), _rooted(after)
    gained: Floats = sign * (after - before)
    return gained


def _rooted(terms: Floats) -> Floats:
    """Return rows whose mean is the root of the terms' mean, each with its own pull on it."""
    root = float(np.sqrt(np.mean(terms)))
    if root == 0.0:
        return np.zeros_like(terms)
    return root + (terms - root * root) / (2.0 * root)


def _ranked(labels: Labels, a: Floats, b: Floats) -> Floats | None:
    before, after = performance.auc(labels, a), performance.auc(labels, b)
    if before is None or after is None:
        return None
    true = labels.astype(bool)
    gained: Floats = after - before + _pull(true, b, after) - _pull(true, a, before)
    return gained


def _pull(true: Labels, scores: Floats, auc: float) -> Floats:
    """Return each row's influence on the AUC: how its placement differs from the mean one."""
    high, low = scores[true], scores[~true]
    pull = np.empty(len(scores))
    below, equal = performance.ranks(np.sort(low), high)
    pull[true] = ((below + 0.5 * equal) / len(low) - auc) / np.mean(true)
    below, equal = performance.ranks(np.sort(high), low)
    pull[~true] = (1.0 - (below + 0.5 * equal) / len(high) - auc) / np.mean(~true)
    return pull
