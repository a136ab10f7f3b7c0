"""A version in memory: its contract, how it is called, what it holds, proven on its probe rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.artifacts import Loaded, Manifest
from engine.domain.contract import Contract
from engine.errors import CorruptError
from engine.serving.footprint import footprint
from engine.serving.predictors import TOLERANCE, Predict, null_columns, predictor
from engine.transform import proof
from engine.transform.contract import TransformedContract


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """A version ready to answer; `memory` is what its estimator holds, in bytes."""

    model: str
    version: str
    manifest: Manifest
    contract: Contract
    predict: Predict
    memory: int

    @property
    def transforms(self) -> bool:
        """Say whether reading its rows takes a transformation."""
        return self.manifest.transform is not None

    def matrix(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """Return rows as the estimator takes them; InvalidError where the contract refuses one."""
        for at, row in enumerate(rows):
            self.contract.check_names(row, at)
        columns = {name: [row[name] for row in rows] for name in self.contract.names}
        return np.array(self.contract.read(columns).columns, dtype=np.float64).T


def proven(model: str, version: str, loaded: Loaded) -> Served:
    """Return a loaded version once it gives the answers recorded with it, else CorruptError."""
    manifest = loaded.manifest
    if manifest.model != model:
        raise CorruptError(
            f"Loading {version} of {model}: its manifest is of {manifest.model}. "
            "What serves stays. Restore the ledger or the artifact from a backup.",
            code="wrong_model",
        )
    if manifest.transform is not None and loaded.transformation is not None:
        proof.check_loaded(loaded.transformation, manifest.transform)
    probes = loaded.rows_matrix(manifest.probe_rows)
    predict = predictor(loaded, probes)
    served = Served(
        model,
        version,
        manifest,
        _contract(loaded, _answerable(loaded, probes)),
        predict,
        footprint((loaded.estimator, predict)),
    )
    if manifest.probe_rows:
        _check_answers(served)
    return served


def _contract(loaded: Loaded, answerable: frozenset[str] | None) -> Contract:
    sealed = loaded.manifest.transform
    if sealed is None or loaded.transformation is None:
        return Contract(loaded.schema, answerable)
    return TransformedContract(loaded.schema, sealed, loaded.transformation, answerable)


def _answerable(loaded: Loaded, probes: NDArray[np.float64]) -> frozenset[str] | None:
    if not len(probes):
        return None
    taken = null_columns(loaded, probes)
    return frozenset(n for n, yes in zip(loaded.inputs.names, taken, strict=True) if yes)


def _check_answers(served: Served) -> None:
    """Compare by the way that clients' rows take: contract, then the quickest call."""
    answers = served.predict(served.matrix(served.manifest.probe_rows))
    expected = np.array(served.manifest.probe_answers, dtype=np.float64)
    same = answers.shape == expected.shape and np.allclose(
        answers, expected, rtol=0.0, atol=TOLERANCE
    )
    if not same:
        raise CorruptError(
            f"Loading {served.version} of {served.model}: its answers to the probe rows are not "
            "those recorded when it was sealed. What serves stays. Train again with the packages "
            "of this machine.",
            code="probe_mismatch",
        )
