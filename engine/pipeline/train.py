"""Training, in the engine: gather what a job is handed, register what it made."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path

import msgspec

from engine.clock import iso, parse_time
from engine.domain.lifecycle import Fitness
from engine.errors import CorruptError, RefusedError
from engine.ledger.change import ENGINE
from engine.pipeline import features, taints, transform_source, wholeness
from engine.pipeline.site import Site
from engine.pipeline.training import Candidate, Kpi, Recipe, TrainInputs, TrainResult, origin_of
from engine.quantities import duration
from engine.settings import ModelSettings, RecipeSettings
from engine.settings_rules import budget
from engine.store import batches, profiles
from engine.store.batches import Batch
from engine.store.snapshots import Table

AGAIN = 3
FAILED = (Fitness.REJECTED, Fitness.ABORTED, Fitness.ROLLED_BACK)


@dataclass(frozen=True, slots=True)
class Cut:
    """The last moment of training rows, and of rows whose labels are mature."""

    until: datetime
    mature: datetime


def accepted(site: Site, model: str) -> list[Batch]:
    """Return the batches of a model that may be trained on, oldest first: no tainted one."""
    return accepted_of(site, model, batches.known(site.store, model))


def accepted_of(site: Site, model: str, known: Sequence[Batch]) -> list[Batch]:
    """Return those of some batches of a model that may be trained on."""
    tainted = taints.batches(site, model)
    return [b for b in known if b.verdict.startswith("accepted") and b.batch not in tainted]


def table_of(site: Site, model: str, settings: ModelSettings) -> Table:
    """Return the accepted batches of a model as files, without what is quarantined or tainted."""
    paths = [str(site.workspace.batches / f"{b.batch}.parquet") for b in accepted(site, model)]
    without = taints.spans(site, model)
    return Table(paths, settings.target, settings.time, settings.label_time, settings.id, without)


def cut(site: Site, model: str) -> Cut:
    """Return where training ends: before the hold-out that its gate will need.

    The first version has no champion to be compared with, so it trains on all mature rows and is
    judged by an inner hold-out.
    """
    settings = site.model(model)
    mature = site.clock.now() - duration(settings.label_maturity)
    ends = [b.time_to for b in accepted(site, model) if b.time_to is not None]
    if ends:
        # A table that ended long ago is judged by its own last days, not by an empty hold-out.
        mature = min(mature, max(ends) + timedelta(seconds=1))
    if site.ledger.roles(model).champion is None:
        return Cut(mature, mature)
    return Cut(mature - duration(settings.gate.holdout), mature)


def gather(site: Site, model: str, run: str) -> TrainInputs:
    """Gather a training run's inputs; RefusedError where there is nothing to train on."""
    settings = site.model(model)
    table = table_of(site, model, settings)
    if not table.paths:
        raise RefusedError(
            f"Training {model}: there is no accepted data that is not tainted. Put a file into "
            f'"{site.workspace.incoming(model)}" or use cdml ingest.',
            code="no_data",
        )
    named = [Path(p).stem for p in table.paths]
    wholeness.check(site, model, named)
    types = features.feature_types(settings, batches.columns(site.store, model))
    ends = cut(site, model)
    refit = settings.gate.refit and ends.until < ends.mature
    fits, seconds = budget(settings.train.budget) if settings.train.budget else (None, None)
    return TrainInputs(
        model=model,
        run=run,
        task=settings.task,
        recipe=settings.recipe,
        metric=settings.metric,
        windows=settings.train.windows,
        seeds=settings.train.seeds,
        seed=site.seed,
        table=table,
        types=types,
        until=iso(ends.until),
        known_by=site.moment(),
        newer_than=_seen_by_champion(site, model, ends.mature - ends.until if refit else None),
        holdout_days=duration(settings.gate.holdout) / timedelta(days=1),
        batches=named,
        kpi=first_kpi(settings),
        created_at=site.moment(),
        root=str(site.workspace.root),
        group=settings.gate.group,
        slices=[name for name in settings.gate.slices if name in types],
        recipes=settings.train.recipes,
        named={name: recipes_of(name, own) for name, own in site.settings.recipes.items()},
        again=_again(site, model),
        search=settings.train.search,
        fits=fits,
        seconds=seconds,
        calibration=list(settings.train.calibration),
        parent=site.ledger.roles(model).champion,
        refit_until=iso(ends.mature) if refit else None,
        transform=transform_source.read(site.workspace.root, settings.transform),
    )


def recipes_of(name: str, settings: RecipeSettings) -> list[Recipe]:
    """Return a named recipe once per combination of its options."""
    options = settings.options
    return [
        Recipe(name, settings.of, {**settings.params, **dict(zip(options, values, strict=True))})
        for values in product(*options.values())
    ]


def _again(site: Site, model: str) -> list[Candidate]:
    """Return the recipes of the newest versions that failed: on newer rows they may be good."""
    found: list[Candidate] = []
    for version in reversed(site.ledger.versions(model)):
        failed = version.fitness in FAILED
        if not failed or not version.manifest or version.safe_mode or len(found) == AGAIN:
            continue
        origin = origin_of(site.artifacts.manifest(version.manifest))
        if origin is not None:
            found.append(msgspec.structs.replace(origin.candidate, again=version.version))
    return found


def first_kpi(settings: ModelSettings) -> Kpi | None:
    """Return the KPI that decides a binary model's threshold: the first one declared."""
    for name, kpi in settings.kpi.items() if settings.task == "binary" else ():
        return Kpi(name, kpi.sql, kpi.direction, kpi.unit)
    return None


def _seen_by_champion(site: Site, model: str, behind: timedelta | None) -> str | None:
    """Return until when the champion has seen rows, or so far `behind` that, before a refit."""
    champion = site.ledger.roles(model).champion
    seen = site.ledger.version(model, champion).trained_to if champion else None
    return seen if seen is None or behind is None else iso(parse_time(seen) - behind)


def register(
    site: Site, model: str, run: str, result: TrainResult, content: bytes, simple: bytes
) -> str:
    """Seal a trained version and the safe mode beside it; freeze the profiles of their rows."""
    if result.manifest.model != model or result.manifest.run != run:
        raise CorruptError(
            f"Registering a version of {model}: the job's result is of another run. "
            "Nothing was stored; train again.",
            code="foreign_result",
        )
    name = site.artifacts.seal(content, result.manifest)
    simple_name = site.artifacts.seal(simple, result.simple)
    manifest = result.manifest
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(ENGINE, "register", model, now=now, wall=wall) as change:
        version = change.add_version(run, manifest.created_at)
        change.seal_version(
            version,
            name,
            manifest.trained_from,
            manifest.trained_to,
            safe_mode=False,
        )
        change.detail["artifact"] = manifest.artifact
        tainted = taints.landed(site, change, version, manifest)
        safe_mode = change.add_version(run, manifest.created_at, beside=version)
        change.seal_version(
            safe_mode, simple_name, manifest.trained_from, manifest.trained_to, safe_mode=True
        )
        taints.landed(site, change, safe_mode, result.simple)
    for one, parts in ((version, result.shared | result.parts), (safe_mode, result.shared)):
        profiles.keep(site.store, model, one, result.profiles)
        for part, found in parts.items():
            profiles.keep(site.store, model, one, found, part)
    site.tell(
        "INFO",
        "train",
        model,
        f"{version} trained on {manifest.trained_from[:10]}..{manifest.trained_to[:10]}: "
        f"{result.note}",
    )
    if tainted is not None:
        raise RefusedError(
            f"Training {model}: {version} is tainted by {taints.said_of(tainted)}, which was "
            "trusted when the run began. It is kept and not judged. Train again: what is tainted "
            "is left out now.",
            code="tainted",
        )
    return version
