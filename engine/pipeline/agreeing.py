"""How far a refit answers otherwise than the version that is judged in its place, inside a job."""

import numpy as np

from engine.artifacts import Manifest
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
    manifests: tuple[Manifest, Manifest],
    newer: Rows,
) -> dict[str, Agreement]:
    """Compare the judged version and its refit, on rows that the first has not seen and its probes.

    Both read a row by their own contract.
    """
    rows = {
        HOLDOUT: [encoding.matrix(schema, newer.table) for schema, _ in fitted],
        PROBES: [encoding.rows_matrix(schema, manifests[0].probe_rows) for schema, _ in fitted],
    }
    cuts = manifests[1].threshold, manifests[0].threshold
    found = {}
    for name, matrices in rows.items():
        judged, refit = (
            candidates.answers(inputs, estimator, matrix, recipe)
            for (_, estimator), matrix in zip(fitted, matrices, strict=True)
        )
        apart = measurement.differences(inputs.task, refit, judged, cuts)
        spread = float(np.abs(judged - judged.mean(axis=0)).max(axis=1).mean())
        found[name] = Agreement(len(judged), apart.mean, spread, apart.changed)
    return found
