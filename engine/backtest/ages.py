"""How performance depends on a model's age: frozen versions of each period on all later rows."""

from collections.abc import Sequence

import numpy as np

from engine.backtest.baselines import Rows
from engine.backtest.figures import Found, Policy, rounded, us
from engine.backtest.plan import Plan
from engine.settings import ModelSettings
from engine.stats import performance


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
        younger = [c for c in of if _youngest(cells, c[1]) != c]
        behind = [sign * (cells[c][0] - cells[_youngest(cells, c[1])][0]) for c in younger]
        points.append(
            {
                "age": age,
                "n": int(sum(weights)),
                "versions": len(of),
                "metric": rounded(float(np.average([cells[c][0] for c in of], weights=weights))),
                "behind": rounded(float(np.mean(behind))) if behind else None,
                "compared": len(behind),
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
    compared = [p for p in points if p["behind"] is not None]
    if not compared:
        return f"not enough: no {one} has two versions of different age to be compared"
    late = next((p for p in compared if p["behind"] > margin), None)
    if late is None:
        return (
            f"no version up to {_many(compared[-1]['age'], one)} old was worse than the youngest "
            f"by more than {margin:g} {own.metric}: age alone asks for no retraining till then"
        )
    return (
        f"a version {_many(late['age'], one)} old is worse than the youngest by "
        f"{late['behind']:.4f} {own.metric} (in {_many(late['compared'], one)}), more than the "
        f"margin of {margin:g}: retrain at least every {_many(late['age'], one)}"
    )


def _many(count: int, one: str) -> str:
    return f"{count} {one}{'' if count == 1 else 's'}"


def _born(plan: Plan, policy: Policy) -> list[tuple[int, str]]:
    """Return a version of each period, by the first period that began after it was made.

    It is what came of the period's first training: a refit where there is one, as that would serve.
    """
    found: dict[int, tuple[str, str]] = {}
    for version in policy.versions:
        if not version.safe_mode and version.manifest is not None:
            at = sum(us(since) < us(version.created_at) for since, _ in plan.periods)
            first, _ = found.get(at, (version.created_at, ""))
            if version.created_at == first:
                found[at] = first, version.manifest
    return [(at, manifest) for at, (_, manifest) in sorted(found.items())]


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
    answers = loaded.answers(loaded.matrix(table))
    return performance.value(own.metric, own.task, rows.labels[of], answers), int(of.sum())
