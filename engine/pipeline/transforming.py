"""The transformation of a training, inside its job: proven on probe rows, then run on all rows."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import current_thread, main_thread
from typing import Any, NoReturn

import msgspec
import numpy as np

from engine.domain.contract import LARGEST
from engine.domain.schema import Kind
from engine.errors import InvalidError
from engine.pipeline import features
from engine.pipeline.cohort import Rows
from engine.pipeline.training import TrainInputs
from engine.transform import columns as forms
from engine.transform import proof
from engine.transform.columns import Columns, RowError
from engine.transform.projection import bad
from engine.transform.sealed import Sealed, Source
from engine.transform.transformation import Transformation

PROBES = 20
DEADLINE_S = 20.0
TYPES = {Kind.NUMERIC: "DOUBLE", Kind.BOOLEAN: "BOOLEAN", Kind.CATEGORICAL: "VARCHAR"}


@dataclass(frozen=True, slots=True)
class Transformed:
    """Rows with what was made of them, and what the recipe sees: columns kept and derived."""

    inputs: TrainInputs
    rows: Rows
    seal: Sealed | None

    def sealed(self, rows: Rows) -> Sealed | None:
        """Return the transformation as a version keeps it that was trained on some of the rows."""
        if self.seal is None:
            return None
        types = {f.name: self.inputs.types[f.name] for f in self.seal.derived}
        seen = features.schema(features.contract(types, rows.table)).features
        return msgspec.structs.replace(self.seal, derived=list(seen))


def applied(inputs: TrainInputs, rows: Rows) -> Transformed:
    """Transform the rows of a training; InvalidError says what is wrong with the transformation."""
    source = inputs.transform
    if source is None:
        return Transformed(inputs, rows, None)
    kinds = {name: features.KINDS[kind] for name, kind in inputs.types.items()}
    picked = np.linspace(0, len(rows.labels) - 1, PROBES).astype(int)
    some = features.picked(rows.table, list(kinds), picked)
    transformation, probed = tried(source, kinds, some)
    found, made = _made(transformation, rows.table)
    proof.check_among(transformation, probed, {n: made[n][picked] for n in made})
    kept = _kept(source, kinds, rows.table, made)
    derived = {name: kind for name, kind in found.items() if name not in kept}
    _check(source, rows.table, derived, made)
    types = {name: inputs.types[name] for name in kinds if name in kept}
    types |= {name: TYPES[kind] for name, kind in derived.items()}
    table = {**rows.table, **{name: made[name] for name in derived}}
    contract = features.schema(features.contract({n: types[n] for n in derived}, table)).features
    columns = [forms.values(probed[name]) for name in derived]
    seal = Sealed(source, kept, list(contract), proof.probes(some, list(kinds)), columns)
    seen = msgspec.structs.replace(inputs, types=types)
    return Transformed(seen, Rows(table, rows.labels, rows.days), seal)


def tried(
    source: Source, kinds: Mapping[str, Kind], rows: Sequence[Mapping[str, Any]]
) -> tuple[Transformation, Columns]:
    """Return a transformation that was proven on rows and on nulls, and their columns."""
    with _deadline(source):
        transformation = Transformation(source, kinds)
        return transformation, proof.proven(transformation, proof.probes(rows, list(kinds)))


def _made(
    transformation: Transformation, table: Mapping[str, Any]
) -> tuple[dict[str, Kind], Columns]:
    try:
        return transformation(table)
    except RowError as e:
        row = {name: table[name][e.at] for name in transformation.kinds}
        raise bad(
            transformation.source.name,
            f'it cannot take row {e.at + 1} of the training rows, {proof.shown(row)}: "{e.said}". '
            "Give a value for such rows, like try_cast, or null",
        ) from e


def _kept(
    source: Source, kinds: Mapping[str, Kind], table: Mapping[str, Any], made: Columns
) -> list[str]:
    """Return the raw columns that come out as they went in; another one needs another name."""
    kept = [name for name in kinds if name in made]
    raw = forms.taken({name: kinds[name] for name in kept}, table)
    for name in kept:
        differs = forms.apart(raw[name], made[name])
        if differs:
            raise bad(
                source.name,
                f'its column "{name}" has the name of a delivered one and differs from it in '
                f"{len(differs)} of {len(raw[name])} rows. Give it a name of its own",
            )
    return kept


def _check(
    source: Source, table: Mapping[str, Any], derived: Mapping[str, Kind], made: Columns
) -> None:
    """Refuse names that are taken, nothing new, and numbers that no estimator can take."""
    if not derived:
        raise bad(source.name, "it makes no column that was not delivered. Remove it, or add one")
    for name, kind in derived.items():
        if name in table:
            raise bad(
                source.name,
                f'its column "{name}" has the name of a column that is no feature. Name it '
                "otherwise",
            )
        if kind is not Kind.NUMERIC:
            continue
        infinite = np.flatnonzero(~np.isnan(made[name]) & ~(np.abs(made[name]) <= LARGEST))
        if len(infinite):
            raise bad(
                source.name,
                f'its column "{name}" is infinite or beyond {LARGEST:.1e} in {len(infinite)} of '
                f"{len(made[name])} rows, row {infinite[0] + 1} first. Give null there, like "
                "a / nullif(b, 0)",
            )


@contextmanager
def _deadline(source: Source) -> Iterator[None]:
    """End what takes too long on a few rows; where no signal can come, the run's deadline does."""
    if current_thread() is not main_thread():
        yield
        return

    def over(*_: object) -> NoReturn:
        raise _too_long(source)

    former = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, DEADLINE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, former)


def _too_long(source: Source) -> InvalidError:
    return bad(
        source.name,
        f"it took longer than {DEADLINE_S:g} s on {PROBES} rows, each alone and together. Make it "
        "quicker",
    )
