"""A version made again from what its manifest recorded, and what of it came out otherwise."""

from pathlib import Path

import msgspec
import numpy as np

from engine.artifacts import Manifest
from engine.errors import RefusedError
from engine.pipeline import fingerprint, recipes
from engine.pipeline.site import Site
from engine.pipeline.training import Origin, TrainInputs, TrainResult, origin_of
from engine.wire import Reproduction


def gather(site: Site, model: str, version: str) -> TrainInputs:
    """Return the inputs of the training that made a version; RefusedError where they are gone."""
    manifest, origin = _recorded(site, model, version)
    paths = [site.workspace.batches / f"{b}.parquet" for b in manifest.batches]
    gone = [p.stem for p in paths if not p.is_file()]
    if gone:
        raise RefusedError(
            f"Making {version} of {model} again: {len(gone)} of the {len(paths)} batches that it "
            f"was trained on are gone, {gone[0][:12]} first. Restore them from a backup.",
            code="data_gone",
        )
    recipe = origin.candidate.recipe
    table = msgspec.structs.replace(
        origin.inputs.table, paths=[str(p) for p in paths], without=manifest.without
    )
    return msgspec.structs.replace(
        origin.inputs,
        table=table,
        # A manifest is written with sorted keys; the order of the columns is the contract's.
        types={f.name: origin.inputs.types[f.name] for f in manifest.features},
        batches=manifest.batches,
        root=str(site.workspace.root),
        recipe=recipe.name,
        named={recipe.name: [recipe]},
        windows=[origin.candidate.window],
        recipes=[],
        again=[],
        seeds=1,
        fits=None,
        seconds=None,
        newer_than=None,
        refit_until=origin.inputs.refit_until if origin.judged else None,
        transform=manifest.transform.source if manifest.transform else None,
    )


def compared(site: Site, model: str, version: str, made: TrainResult) -> Reproduction:
    """Compare what was made again with what was sealed; say what may explain a difference."""
    manifest, origin = _recorded(site, model, version)
    again = made.refit.manifest if origin.judged and made.refit is not None else made.manifest
    apart = _apart(manifest, again)
    differs = []
    if again.artifact != manifest.artifact:
        differs.append(f"artifact {again.artifact[:12]} instead of {manifest.artifact[:12]}")
    if apart is None or apart > 0.0:
        differs.append(
            "the probe rows or the form of their answers"
            if apart is None
            else f"answers to the probe rows, by up to {apart:.2g}"
        )
    for name in ("rows", "threshold", "trained_from", "trained_to"):
        now, then = getattr(again, name), getattr(manifest, name)
        differs += [f"{name} {now} instead of {then}"] if now != then else []
    return Reproduction(
        model=model,
        version=version,
        same=not differs,
        artifact=manifest.artifact,
        made=again.artifact,
        differs=differs,
        because=_explained(site, origin) if differs else [],
    )


def _recorded(site: Site, model: str, version: str) -> tuple[Manifest, Origin]:
    site.model(model)
    found = site.ledger.version(model, version)
    manifest = site.artifacts.manifest(found.manifest) if found.manifest else None
    origin = origin_of(manifest) if manifest is not None else None
    if manifest is None or origin is None:
        what = "a safe mode" if found.safe_mode else f"{found.fitness} and without a record of it"
        raise RefusedError(
            f"Making {version} of {model} again: it is {what}. Name a version that was trained as "
            "a candidate: cdml versions.",
            code="no_origin",
        )
    return manifest, origin


def _apart(a: Manifest, b: Manifest) -> float | None:
    """Return how far the answers to the same probe rows are apart; None for other rows."""
    if a.probe_rows != b.probe_rows:
        return None
    one, two = np.asarray(a.probe_answers), np.asarray(b.probe_answers)
    return float(np.max(np.abs(one - two))) if one.shape == two.shape else None


def _explained(site: Site, origin: Origin) -> list[str]:
    """Return what is not as it was when the version was made."""
    now = fingerprint.environment()
    then = origin.environment
    names = [n for n in {**then, **now} if then.get(n) != now.get(n) and n != "threads"]
    found = [f"{n} was {then.get(n, 'absent')}, is {now.get(n, 'absent')}" for n in names]
    recipe = origin.candidate.recipe
    if recipes.source(recipe, Path(site.workspace.root)) != origin.source:
        found.append(f"the source of recipe {recipe.of} has changed")
    return found or ["nothing that was recorded has changed: the recipe may not be deterministic"]
