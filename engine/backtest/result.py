"""The result of a backtest: every policy beside the others, beside trivial rules, and by age."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.backtest import ages, baselines
from engine.backtest.baselines import Rows
from engine.backtest.course import Done
from engine.backtest.figures import DIGITS, Answered, Found, Policy, rounded
from engine.backtest.plan import ALWAYS, FROZEN, Plan
from engine.settings import METRICS, ModelSettings, load
from engine.stats import comparison, outcomes
from engine.store import history

DAY = 86_400_000_000
SIMULATED = """\
Rows were answered by the version that served when their step of the clock began; labels were \
known when history says, and no earlier.
Shadows answered every row, canaries their share; no answer failed and no time was measured, so \
guardrails on errors and latency stop nothing here.
Nobody was there: rollouts went by themselves, and a hold after a rollback stayed. frozen and \
always promote without a gate.
What was complete was delivered as one file before each training; attacks, fail-overs and \
rehearsals of the way back were not replayed.""".splitlines()


def result(plan: Plan, done: Mapping[str, Done], source: Sequence[str], wall_s: float) -> Found:
    """Put what every course came to side by side; all but `measured` is the same for a seed."""
    own = load(Path(plan.config)).models[plan.model]
    classes = _classes(plan, own)
    read = {name: Policy(plan, name, own, classes) for name in plan.policies}
    try:
        policies = {name: read[name].told(done[name]) for name in plan.policies}
        if FROZEN in read:
            for name, policy in read.items():
                if name != FROZEN:
                    pair = read[FROZEN].answered, policy.answered
                    worth = _worth(plan, own, *pair, policies[FROZEN], policies[name])
                    policies[name]["against_frozen"] = worth
        first = next(iter(read.values()))
        rows = Rows(plan, own, list(first.types), classes)
        beside = baselines.measured(plan, own, classes, rows)
        eldest = max(read, key=lambda name: (len(read[name].versions), name == ALWAYS))
        age = ages.curve(plan, own, eldest, read[eldest], rows, classes)
    finally:
        for policy in read.values():
            policy.close()
    return {
        "model": plan.model,
        "from": plan.periods[0][0],
        "to": plan.periods[-1][1],
        "seed": plan.seed,
        "metric": own.metric,
        "higher_is_better": METRICS[own.metric][1],
        "kpi": {name: {"unit": k.unit, "direction": k.direction} for name, k in own.kpi.items()},
        "source": list(source),
        "policies": policies,
        "baselines": beside,
        "ages": age,
        "note": [*SIMULATED, *_notes(read)],
        "measured": {
            "wall_s": round(wall_s, 1),
            "cpu_s": {name: done[name].cpu_s for name in plan.policies},
        },
    }


def _notes(read: Mapping[str, Policy]) -> list[str]:
    return [
        f"{name}: {len(p.quarantined)} deliveries were taken in with warnings or not at all, like "
        f"{p.quarantined[0]}"
        for name, p in read.items()
        if p.quarantined
    ]


def _classes(plan: Plan, own: ModelSettings) -> list[str]:
    span = history.span(plan.history)
    table = history.rows(plan.history, [], span.first, plan.until)
    return outcomes.classes_of(own.task, [v for v in table["label"] if v is not None])


def _worth(
    plan: Plan, own: ModelSettings, frozen: Answered, mine: Answered, theirs: Found, told: Found
) -> Found:
    """Return how much better a policy did than the first version left alone; positive is better."""
    _, left, right = np.intersect1d(frozen.ids, mine.ids, return_indices=True)
    rng = np.random.default_rng([plan.seed, 6])
    gain = comparison.paired(
        own.metric,
        own.task,
        frozen.labels[left],
        frozen.answers[left],
        mine.answers[right],
        frozen.times[left] // DAY,
        rng,
    )
    kpis: dict[str, Any] = {}
    for name, kpi in own.kpi.items():
        before, after = theirs["total"]["kpi"][name], told["total"]["kpi"][name]
        if before is not None and after is not None:
            sign = -1.0 if kpi.direction == "minimize" else 1.0
            better = sign * (after - before) + 0.0  # + 0.0 turns -0.0 into 0.0
            share = round(100.0 * better / abs(before), 2) if before else None
            kpis[name] = {"gain": round(better, DIGITS), "percent": share}
    return {
        "metric": rounded(gain.value),
        "low": rounded(gain.low),
        "high": rounded(gain.high),
        "n": len(left),
        "kpi": kpis,
        "said": _said(own, gain.low, gain.high, gain.value),
    }


def _said(own: ModelSettings, low: float | None, high: float | None, value: float | None) -> str:
    """Answer "is this policy worth it?" in a sentence."""
    if value is None or low is None or high is None:
        return "not enough labelled rows to tell it from the first version left alone"
    span = f"{value:+.4f} {own.metric} [{low:+.4f}, {high:+.4f}], positive is better"
    if low > 0.0:
        return f"better than the first version left alone: {span}"
    if high < 0.0:
        return f"worse than the first version left alone: {span}"
    return f"not told apart from the first version left alone: {span}"
