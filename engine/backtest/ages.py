"""How performance depends on a model's age: frozen versions of each period on all later rows."""

from collections.abc import Sequence

import numpy as np

from engine.backtest.baselines import Rows
from engine.backtest.figures import Found, Policy, rounded, us
from engine.backtest.plan import Plan
from engine.settings import ModelSettings
from engine.stats import encoding, performance


def curve(
    plan: Plan, own: ModelSettings, name: str, policy: Policy, rows: Rows, classes: Sequence[str]
) -> Found:
    """Return the metric by age in periods, and how much worse that is than the youngest version.

    Only the difference within a period says something of age: seasons differ, too.
    """
    cells: dict[tuple[int, int], tuple[float, int]] = {}
    for born, manifest in _born(plan, policy):
        for at in range(born, len(plan.periods)):
            value, n = _value(plan, own, policy, manifest, rows, at, classes)
            if value is not None:
                cells[born, at] = value, n
    sign = -1.0 if performance.metric_named(own.metric).higher_is_better else 1.0
    points = []
    for age in range(len(plan.periods)):
        of = [(born, at) for born, at in cells if at - born == age]
        if not of:
            continue
        weights = [cells[c][1] for c in of]
        behind = [sign * (cells[c][0] - cells[_youngest(cells, c[1])][0]) for c in of]
        points.append(
            {
                "age": age,
                "n": int(sum(weights)),
                "versions": len(of),
                "metric": rounded(float(np.average([cells[c][0] for c in of], weights=weights))),
                "behind": rounded(float(np.average(behind, weights=weights))),
            }
        )
    return {"policy": name, "unit": unit(plan), "points": points, "said": said(plan, own, points)}


def unit(plan: Plan) -> str:
    """Return what the periods are."""
    length = us(plan.periods[len(plan.periods) // 2][1]) - us(
        plan.periods[len(plan.periods) // 2][0]
    )
    days = length / 86_400e6
    return "month" if days > 8 else "week" if days > 1 else "day"


def said(plan: Plan, own: ModelSettings, points: Sequence[Found]) -> str:
    """Answer "how often should I retrain?" in a sentence."""
    margin, one = own.gate.non_inferiority, unit(plan)
    late = next((p for p in points if (p["behind"] or 0.0) > margin), None)
    if late is None:
        oldest = points[-1]["age"] if points else 0
        return (
            f"no version up to {oldest} {one}s old was worse than the youngest by more than "
            f"{margin:g} {own.metric}: age alone asks for no retraining within that time"
        )
    return (
        f"a version {late['age']} {one}s old is worse than the youngest by {late['behind']:.4f} "
        f"{own.metric} (n {late['n']}), more than the margin of {margin:g}: "
        f"retrain at least every {max(late['age'], 1)} {one}s"
    )


def _born(plan: Plan, policy: Policy) -> list[tuple[int, str]]:
    """Return a version of each period, by the first period that began after it was made."""
    found: dict[int, str] = {}
    for version in policy.versions:
        if not version.safe_mode and version.manifest is not None:
            at = sum(us(since) < us(version.created_at) for since, _ in plan.periods)
            found.setdefault(at, version.manifest)
    return sorted(found.items())


def _youngest(cells: dict[tuple[int, int], tuple[float, int]], at: int) -> tuple[int, int]:
    return max(cell for cell in cells if cell[1] == at)


def _value(
    plan: Plan,
    own: ModelSettings,
    policy: Policy,
    manifest: str,
    rows: Rows,
    at: int,
    classes: Sequence[str],
) -> tuple[float | None, int]:
    since, until = plan.periods[at]
    of = (rows.times >= us(since)) & (rows.times < us(until))
    loaded = policy.artifacts.load(manifest)
    if own.task == "multiclass" and list(loaded.manifest.classes) != list(classes):
        return None, 0
    if not of.any():
        return None, 0
    table = {name: column[of] for name, column in rows.table.items()}
    answers = loaded.answers(encoding.matrix(loaded.schema, table))
    return performance.value(own.metric, own.task, rows.labels[of], answers), int(of.sum())
