"""When a distance is called drift: it is large, and it is no chance."""

DAYS_A_YEAR = 365.0
MIN_ROWS = 200


def needed(columns: int, false_alarms: float) -> float:
    """Return the evidence that a column must reach, so that the budget of a year is kept by all.

    Each of them reaches c within a year with chance at most 1/c while nothing changes.
    """
    return max(columns, 1) / false_alarms


def drifted(
    psi: float | None, limit: float, evidence: float | None, evidence_needed: float | None
) -> bool:
    """Say whether a column drifts: the effect is over its floor and the evidence is enough.

    Without an effect (too few rows) or without evidence (no full period yet) it does not.
    """
    if psi is None or evidence is None or evidence_needed is None:
        return False
    return psi > limit and evidence >= evidence_needed
