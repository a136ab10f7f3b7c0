"""A year of flights replayed: what it takes, and what each policy would have cost in it.

Weekly checks and monthly retraining by the demo's own settings, otherwise as shipped.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from engine.backtest import past, workers
from engine.backtest.course import read_done
from engine.backtest.plan import ALWAYS, CURRENT, FROZEN, Plan, periods
from engine.backtest.result import result
from engine.clock import parse_time
from engine.demo import flights
from engine.settings import load
from engine.workspace import Workspace
from tests.bench.figure import Figure

SHIPPED = Path(__file__).parents[2] / "engine" / "demo.toml"
START, END = "2013-03-01T00:00:00Z", "2014-01-01T00:00:00Z"
CHANGED = (
    ("@PORT@", "8080"),
    (
        'every = "7d"\nwindows = ["all", "60d"]\nseeds = 3',
        'every = "30d"\nwindows = ["all"]\nseeds = 1',
    ),
    ('every = "1d"', 'every = "7d"'),
)


def measure() -> list[Figure]:
    """Return the time of the year with three policies side by side, and their costs."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cdml-bench-backtest-") as folder:
        found = _year(Path(folder))
    took = time.monotonic() - began
    cost = {name: one["total"]["kpi"]["cost"] for name, one in found["policies"].items()}
    n = found["policies"][CURRENT]["total"]["n"]
    never = found["baselines"]["never act"]["periods"]
    months = [p["kpi"]["cost"] for p in found["policies"][CURRENT]["periods"]]
    dearer = sum(a > b["kpi"]["cost"] for a, b in zip(months, never, strict=True))
    gain = 100.0 * (1.0 - cost[CURRENT] / cost[FROZEN])
    cpu = {name: sum(spent) for name, spent in found["measured"]["cpu_s"].items()}
    return [
        Figure("backtest of the flights year, three policies", took, "s", n, 90.0),
        *(Figure(f"CPU of the policy {name}", spent, "s", n) for name, spent in cpu.items()),
        *(
            Figure(f"cost with the policy {name}", one, "USD/flight", n)
            for name, one in cost.items()
        ),
        Figure("cost saved against frozen, March-December", gain, "%", n, 12.0, at_least=True),
        Figure("cost against retrain always", cost[CURRENT] / cost[ALWAYS], "x", n, 1.0),
        Figure("months dearer than never warning", dearer, "months", len(months), 0.0),
    ]


def _year(root: Path) -> dict[str, Any]:
    text = SHIPPED.read_text(encoding="utf-8")
    for shipped, here in CHANGED:
        assert shipped in text
        text = text.replace(shipped, here)
    workspace = Workspace(root / "workspace")
    workspace.create(["late"])
    workspace.config.write_text(text, encoding="utf-8")
    out = root / "out"
    out.mkdir()
    source = past.write(workspace, load(workspace.config), "late", [flights()], out)
    spans = periods(parse_time(START), parse_time(END))
    names = [FROZEN, ALWAYS, CURRENT]
    plan = Plan("late", str(workspace.config), str(out), names, spans, 86_400.0, 1)
    workers.run(plan, lambda _shares: None)
    done = {name: read_done(plan, name) for name in names}
    found = result(plan, done, source, 0.0)
    return msgspec.json.decode(msgspec.json.encode(found), type=dict[str, Any])
