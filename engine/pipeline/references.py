"""What a version is measured against for as long as it lives: frozen when it is trained."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from engine.pipeline import normal
from engine.pipeline.features import KINDS
from engine.stats import importance, performance, profile, tally
from engine.stats.profile import CategoricalProfile, NumericProfile
from engine.stats.tally import Frozen
from engine.store import profiles
from engine.store.connection import Store
from engine.store.counting import FEATURE, SCORE, SLICE, Bins, Key

LABEL, MONTHS, IMPORTANCE = "label", "months", "importance"
MONTHS_KEPT = 24
SLICES_KEPT = 50
SLICE_ROWS = 200

Parts = dict[str, dict[str, str]]
Months = dict[str, list[int]]


def reference_profile(values: Any, *, numeric: bool) -> str:
    """Return the profile of a training column as JSON, its bins frozen from here on."""
    return _text(_frozen(values, numeric=numeric))


def features(types: Mapping[str, str], table: Mapping[str, Any]) -> dict[str, str]:
    """Freeze the features of the training rows."""
    return {
        name: reference_profile(table[name], numeric=KINDS[kind] == "numeric")
        for name, kind in types.items()
    }


def _frozen(values: Any, *, numeric: bool) -> Frozen:
    if numeric:
        return profile.reference_profile(np.asarray(values, dtype=np.float64))
    return profile.categorical_profile(values)


def answers(task: str, classes: Sequence[str], held: Any, slices: Mapping[str, Any]) -> Parts:
    """Freeze a version's answers on rows it has not seen: of all, and of each slice with support.

    All slices are counted in the deciles of all answers. Of many classes the decided one counts.
    """
    named = [classes[int(at)] for at in np.argmax(held, axis=1)] if task == "multiclass" else []
    whole = _frozen(named or held[:, 0], numeric=not named)
    parts = {SCORE: {SCORE: _text(whole)}, SLICE: dict[str, str]()}
    for column, values in slices.items():
        sizes = profile.categorical_profile(values).counts
        usual = sorted((v for v in sizes if sizes[v] >= SLICE_ROWS), key=lambda v: (-sizes[v], v))
        texts = np.array([None if v is None else profile.category(v) for v in values], dtype=object)
        for value in usual[:SLICES_KEPT]:
            at = np.flatnonzero(texts == value)
            one: Frozen
            if isinstance(whole, NumericProfile):
                one = profile.numeric_profile(held[at, 0], whole.coarse)
                one = msgspec.structs.replace(one, low=None, high=None)  # so that all count alike
            else:
                one = profile.categorical_profile([named[i] for i in at])
            parts[SLICE][msgspec.json.encode([column, value]).decode()] = _text(one)
    return parts


def labels(task: str, classes: Sequence[str], codes: Any) -> Parts:
    """Freeze the labels of the training rows."""
    if task == "regression":
        return {LABEL: {LABEL: reference_profile(codes, numeric=True)}}
    named = [classes[int(code)] for code in codes]
    return {LABEL: {LABEL: reference_profile(named, numeric=False)}}


@dataclass(frozen=True, slots=True)
class Seen:
    """A hold-out as an estimator saw it: columns, rows, labels, and what it answered."""

    names: Sequence[str]
    matrix: Any
    labels: Any
    answers: Any


def of_holdout(
    task: str,
    metric: str,
    classes: Sequence[str],
    slices: Mapping[str, Any],
    held: Seen,
    answer: Callable[[Any], Any],
    seed: int,
) -> Parts:
    """Freeze what rows that a version has not seen tell of it.

    Its answers, of all and by slice; what is normal of them; and what each feature is worth.
    """
    parts = answers(task, classes, held.answers, slices)
    parts |= normal.of_holdout(metric, task, held.labels, held.answers, seed)
    return parts | worth(task, metric, held, answer, np.random.default_rng([seed, 6]))


def worth(
    task: str,
    metric: str,
    held: Seen,
    answer: Callable[[Any], Any],
    rng: np.random.Generator,
) -> Parts:
    """Freeze what each feature is worth, in the metric's unit."""
    sign = -1.0 if performance.metric_named(metric).higher_is_better else 1.0

    def loss(truth: Any, answers: Any) -> float | None:
        value = performance.value(metric, task, truth, answers)
        return None if value is None else sign * value

    found = importance.permutation(held.matrix, held.labels, answer, loss, rng)
    known = {name: repr(w) for name, w in zip(held.names, found, strict=True) if w is not None}
    return {IMPORTANCE: known}


def months(profiled: Mapping[str, str], table: Mapping[str, Any], times: Any) -> Parts:
    """Count the training rows of each calendar month into the coarse bins of their profiles."""
    texts = times.astype("datetime64[M]").astype(str)
    names = sorted(set(texts.tolist()))[-MONTHS_KEPT:]
    found: dict[str, str] = {}
    for column, text in profiled.items():
        frozen = tally.decoded(text)
        places = _coarse_places(frozen, table[column])
        length = 1 + max(tally.coarse(frozen))
        by_month = {
            name: np.bincount(places[(texts == name) & (places >= 0)], minlength=length).tolist()
            for name in names
        }
        found[column] = msgspec.json.encode(by_month).decode()
    return {MONTHS: found}


def _coarse_places(frozen: Frozen, values: Any) -> Any:
    """Return the coarse bin of each value, -1 for none."""
    bins = tally.coarse(frozen)
    if isinstance(frozen, CategoricalProfile):
        of_name = dict(zip(frozen.counts, bins[tally.CATEGORICAL_HEAD :], strict=True))
        names = [None if v is None else profile.category(v) for v in values]
        return np.array([-1 if n is None else of_name[n] for n in names], dtype=np.intp)
    numbers = np.asarray(values, dtype=np.float64)
    places = np.searchsorted(np.array(frozen.coarse), numbers, side="right")
    return np.where(np.isfinite(numbers), places, -1)


def bins_of(store: Store, model: str, version: str) -> Bins:
    """Return all that hours are counted into for a version: features, its answers, its slices."""
    frozen: dict[Key, Frozen] = {
        (part, name): tally.decoded(text)
        for part in (FEATURE, SCORE, SLICE)
        for name, text in profiles.of(store, model, version, part).items()
    }
    return Bins(model, version, frozen)


def weights(store: Store, model: str, version: str) -> dict[str, float]:
    """Return what each feature is worth to a version, in its metric's unit."""
    found = profiles.of(store, model, version, IMPORTANCE)
    return {name: msgspec.json.decode(text, type=float) for name, text in found.items()}


def _text(frozen: Frozen) -> str:
    return msgspec.json.encode(frozen).decode()
