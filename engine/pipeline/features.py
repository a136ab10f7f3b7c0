"""Which columns of a model are features, and their contract as training saw them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.artifacts import ManifestFeature
from engine.domain.schema import Feature, Kind, Schema
from engine.settings import ModelSettings, Settings
from engine.store import batches, kpis
from engine.store.connection import Store

KINDS = {
    "BIGINT": Kind.NUMERIC,
    "DOUBLE": Kind.NUMERIC,
    "BOOLEAN": Kind.BOOLEAN,
    "VARCHAR": Kind.CATEGORICAL,
}


def feature_types(settings: ModelSettings, columns: Mapping[str, str]) -> dict[str, str]:
    """Return the features of a model as column -> SQL type, in the order of the table."""
    special = {settings.target, settings.time, settings.label_time, settings.id}
    return {
        name: kind
        for name, kind in columns.items()
        if name not in special and name not in settings.exclude and kind in KINDS
    }


def check_kpis(settings: Settings, store: Store | None = None) -> None:
    """Refuse settings with a KPI that could not be measured, on what was delivered where known."""
    delivered: dict[str, dict[str, str]] = {}
    if store is not None:
        for model, wanted in settings.models.items():
            delivered[model] = feature_types(wanted, batches.columns(store, model))
    kpis.check_all(settings, delivered)


def moments(times: Any) -> Any:
    """Return times of a table as whole microseconds since the epoch."""
    return np.asarray(times, dtype="datetime64[us]").astype(np.int64)


def contract(types: Mapping[str, str], table: Mapping[str, Any]) -> list[ManifestFeature]:
    """Return the contract of training rows: kinds, nulls, ranges and categories seen."""
    return [_feature(name, KINDS[kind], table[name]) for name, kind in types.items()]


def schema(contract: list[ManifestFeature]) -> Schema:
    """Return a contract as estimators and serving read it."""
    return Schema(
        tuple(
            Feature(f.name, Kind(f.kind), f.nullable, f.low, f.high, tuple(f.categories))
            for f in contract
        )
    )


def picked(table: Mapping[str, Any], names: Sequence[str], places: Any) -> list[dict[str, Any]]:
    """Return some rows of a table, a mapping each, with values as JSON can carry them."""
    taken = {name: table[name][places] for name in names}
    return [{name: _plain(taken[name][at]) for name in names} for at in range(len(places))]


def _plain(value: Any) -> Any:
    """Return a value as JSON can carry it."""
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else float(value)
    return value.item() if isinstance(value, np.generic) else value


def _feature(name: str, kind: Kind, values: Any) -> ManifestFeature:
    if kind is Kind.NUMERIC:
        numbers = np.asarray(values, dtype=np.float64)
        seen = numbers[np.isfinite(numbers)]
        low, high = (float(seen.min()), float(seen.max())) if len(seen) else (None, None)
        return ManifestFeature(name, kind.value, bool(np.isnan(numbers).any()), low, high)
    present = {v for v in values if v is not None}
    categories = sorted(present) if kind is Kind.CATEGORICAL else []
    return ManifestFeature(name, kind.value, any(v is None for v in values), categories=categories)
