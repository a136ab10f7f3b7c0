"""Whether a transformation can be run, said before anything is trained: check, reload, plan."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.artifacts import Artifacts, Manifest
from engine.ledger.ledger import Ledger
from engine.pipeline import features, transform_source, transforming
from engine.settings import ModelSettings, Settings
from engine.store import batches
from engine.store.connection import Store
from engine.transform import sql
from engine.transform.function import Function
from engine.transform.sealed import Source
from engine.workspace import Workspace


def check_all(root: Path, settings: Settings, store: Store) -> None:
    """Refuse settings with a transformation that cannot be run on what was delivered.

    A function is read and not run: in the engine no code of the user's own is.
    """
    for model, own in settings.models.items():
        types = features.feature_types(own, batches.columns(store, model))
        bound(transform_source.read(root, own.transform), types)


def bound(source: Source | None, types: Mapping[str, str]) -> None:
    """Raise InvalidError for a SELECT that does not fit the delivered columns, where known."""
    if source is not None and source.kind == "sql":
        _bound(source, types)


def _bound(source: Source, types: Mapping[str, str]) -> None:
    sql.checked(source.name, source.text, list(types) or None)
    if types:
        kinds = {name: features.KINDS[kind] for name, kind in types.items()}
        sql.Query(source.name, source.text, kinds, None)


def tried(workspace: Workspace, settings: Settings) -> dict[str, str]:
    """Try each transformation here; return by model on what, InvalidError for what is wrong.

    Where a version was trained, on its probe rows, as its training would; else without rows.
    """
    return {
        model: _tried(workspace, model, own, source)
        for model, own in settings.models.items()
        if (source := transform_source.read(workspace.root, own.transform)) is not None
    }


def _tried(workspace: Workspace, model: str, own: ModelSettings, source: Source) -> str:
    shown = f"{source.name} {source.digest[:12]}"
    manifest = _newest(workspace, model)
    special = {own.target, own.time, own.label_time, own.id, *own.exclude}
    if manifest is None or any(f.name in special for f in manifest.features):
        if source.kind == "sql":
            sql.checked(source.name, source.text, None)
        else:
            Function(source.name, source.text, source.digest)
        return f"{shown}, not yet tried on rows: none was trained on"
    kinds = {f.name: f.kind for f in manifest.schema().features}
    rows: list[dict[str, Any]] = manifest.probe_rows
    made = transforming.tried(source, kinds, rows)[1]
    new = ", ".join(name for name in made if name not in kinds)
    return f"{shown}, tried on {len(rows)} rows: makes {new or 'no new column'}"


def _newest(workspace: Workspace, model: str) -> Manifest | None:
    """Return the manifest of the newest version of a model, without disturbing an engine."""
    if not workspace.ledger.exists():
        return None
    ledger = Ledger(workspace.ledger, readonly=True)
    try:
        sealed = [v.manifest for v in ledger.versions(model) if v.manifest]
    finally:
        ledger.close()
    artifacts = Artifacts(workspace.artifacts, workspace.keys)
    return artifacts.manifest(sealed[-1]) if sealed else None
