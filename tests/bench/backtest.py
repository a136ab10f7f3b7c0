"""A year of flights replayed: what it takes, and what each policy would have cost in it.

The time is of weekly checks and monthly retraining. The costs are of the demo's settings as they
are shipped: weekly retraining. What the policy is made of was chosen with March to June in view;
the months after that are told by themselves. Air time is replayed by the settings of three models.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine.backtest import past, workers
from engine.backtest.course import read_done
from engine.backtest.plan import ALWAYS, CURRENT, FROZEN, Plan, periods
from engine.backtest.result import result
from engine.clock import parse_time
from engine.demo import flights
from engine.settings import load
from engine.workspace import Workspace
from tests.bench.figure import Figure

ROOT = Path(__file__).parents[2]
SHIPPED, THREE = ROOT / "engine" / "demo.toml", ROOT / "docs" / "three-models.toml"
START, END = "2013-03-01T00:00:00Z", "2014-01-01T00:00:00Z"
SEEN = 4  # months from March on that the policy was chosen by
# Other seeds of a fit tell how much chance is in it, and change nothing that is brought in.
WEEKLY = (("seeds = 3", "seeds = 1"), ('every = "1d"', 'every = "7d"'))
MONTHLY = (*WEEKLY, ('every = "7d"\nwindows', 'every = "30d"\nwindows'))
POLICIES = (FROZEN, ALWAYS, CURRENT)


def measure() -> list[Figure]:
    """Return the time of the year with three policies side by side, their costs, and air time."""
    return [*_time(), *_costs(), *_air()]


def _time() -> list[Figure]:
    began = time.monotonic()
    found = _year(SHIPPED, "late", MONTHLY)
    took = time.monotonic() - began
    n = found["policies"][CURRENT]["total"]["n"]
    cpu = {name: sum(spent) for name, spent in found["measured"]["cpu_s"].items()}
    return [
        Figure("backtest of the flights year, three policies", took, "s", n, 90.0),
        *(Figure(f"CPU of the policy {name}", spent, "s", n) for name, spent in cpu.items()),
    ]


def _costs() -> list[Figure]:
    found = _year(SHIPPED, "late", WEEKLY)
    policies = found["policies"]
    cost = {name: one["total"]["kpi"]["cost"] for name, one in policies.items()}
    n = policies[CURRENT]["total"]["n"]
    never = [p["kpi"]["cost"] for p in found["baselines"]["never act"]["periods"]]
    months = [p["kpi"]["cost"] for p in policies[CURRENT]["periods"]]
    dearer = sum(a >= b for a, b in zip(months, never, strict=True))
    saved = [_saved(found, span) for span in (slice(None), slice(SEEN), slice(SEEN, None))]
    return [
        *(Figure(f"cost with the policy {k}", one, "USD/flight", n) for k, one in cost.items()),
        Figure("cost saved against frozen, March-December", saved[0], "%", n, 12.0, at_least=True),
        Figure("of it March-June, by which the policy was chosen", saved[1], "%", SEEN),
        Figure(
            "of it July-December, which nothing was chosen by", saved[2], "%", len(months) - SEEN
        ),
        Figure("cost against retrain always", cost[CURRENT] / cost[ALWAYS], "x", n, 1.0),
        Figure("months dearer than never warning", dearer, "months", len(months), 0.0),
    ]


def _saved(found: dict[str, Any], months: slice) -> float:
    """Return by how many percent the policy is cheaper than the first version left alone."""
    cost = {}
    for name in (FROZEN, CURRENT):
        told = found["policies"][name]["periods"][months]
        weights = [p["n"] for p in told]
        cost[name] = float(np.average([p["kpi"]["cost"] for p in told], weights=weights))
    return 100.0 * (1.0 - cost[CURRENT] / cost[FROZEN])


def _air() -> list[Figure]:
    found = _year(THREE, "air_time_min", WEEKLY)
    figures = []
    for name, target in ((FROZEN, None), (ALWAYS, None), (CURRENT, 7.0)):
        told = found["policies"][name]["periods"][1:]
        mean = float(np.mean([p["metric"] for p in told]))
        n = sum(p["n"] for p in told)
        label = f"air_time_min, mean absolute error April-December, {name}"
        figures.append(Figure(label, mean, "min", n, target))
    return figures


def _year(settings: Path, model: str, changed: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Replay the year with every policy, by settings with some words changed."""
    text = settings.read_text(encoding="utf-8").replace("@PORT@", "8080")
    for shipped, here in changed:
        assert shipped in text
        text = text.replace(shipped, here)
    with tempfile.TemporaryDirectory(prefix="cdml-bench-backtest-") as folder:
        workspace = Workspace(Path(folder) / "workspace")
        workspace.create([model])
        workspace.config.write_text(text, encoding="utf-8")
        out = Path(folder) / "out"
        out.mkdir()
        source = past.write(workspace, load(workspace.config), model, [flights()], out)
        spans = periods(parse_time(START), parse_time(END))
        plan = Plan(model, str(workspace.config), str(out), [*POLICIES], spans, 86_400.0, 1)
        workers.run(plan, lambda _shares: None)
        done = {name: read_done(plan, name) for name in plan.policies}
        found = result(plan, done, source, 0.0)
    return msgspec.json.decode(msgspec.json.encode(found), type=dict[str, Any])
