"""How far a refit answers otherwise than the version that is judged in its place, inside a job."""

from collections.abc import Mapping

import numpy as np

from engine.pipeline import candidates, measurement
from engine.pipeline.candidates import Fitted
from engine.pipeline.cohort import Rows
from engine.pipeline.training import Agreement, Recipe, TrainInputs
from engine.stats import encoding

HOLDOUT, PROBES = "hold-out", "probe rows"


def agreement(
    inputs: TrainInputs,
    recipe: Recipe,
    fitted: tuple[Fitted, Fitted],
    seen: Mapping[str, Rows],
    threshold: float,
) -> dict[str, Agreement]:
    """Compare the judged version and its refit on some rows, as they were transformed.

    Both read a row by their own contract, and decide at one threshold.
    """
    found = {}
    for name, rows in seen.items():
        judged, refit = (
            candidates.answers(inputs, estimator, encoding.matrix(schema, rows.table), recipe)
            for schema, estimator in fitted
        )
        apart = measurement.differences(inputs.task, refit, judged, (threshold, threshold))
        spread = float(np.abs(judged - judged.mean(axis=0)).max(axis=1).mean())
        found[name] = Agreement(len(judged), apart.mean, spread, apart.changed)
    return found
