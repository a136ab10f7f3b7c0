"""Figures of an engine of which everything is known: each number that there is has a value."""

from engine.telemetry.engine_metrics import ModelFigures, WorkspaceFigures
from engine.telemetry.families import Durations

MODEL = ModelFigures(
    1, True, 0.0, {"human": 1}, {"kpi": 1}, [("wind", "psi", 0.1)],
    [("v1", "log_loss", "realised", 0.1)], [("v1", "cost", 0.1)], {("train", "done"): 1},
    {"train": Durations([0] * 7 + [1], 90.0)}, {"train": 0.0},
)  # fmt: skip
WHOLE = WorkspaceFigures(
    "0", True, 0, (1, 2), 0.0, 1, {("late", "hold"): 0.0}, {("ops", "sent"): 1}, {"ops": False},
    {"beat": 0.0},
)  # fmt: skip
