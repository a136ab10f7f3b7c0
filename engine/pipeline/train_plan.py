"""What a training would be made of now, without making it: `cdml train MODEL --plan`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from engine.clock import iso, parse_time
from engine.domain.locks import stopped_by
from engine.errors import InvalidError, RefusedError
from engine.pipeline import enough, locks, taints, train, transform_check
from engine.pipeline.fitting import TrainInputs
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.store import batches, snapshots
from engine.wire import TrainPlan

# What the champion has seen is known to the second: its newest row is not newer.
NEWER = timedelta(seconds=1, microseconds=1)
EVER = datetime(9999, 1, 1, tzinfo=UTC)


def plan(site: Site, model: str) -> TrainPlan:
    """Return what a training would be made of, what it would leave out, and why it would not do."""
    settings = site.model(model)
    rows = {b.batch: b.rows for b in batches.known(site.store, model)}
    empty = TrainPlan(model, settings.recipe, settings.train.seeds, site.seed)
    try:
        inputs = train.gather(site, model, "plan")
        transform_check.bound(inputs.transform, inputs.types)
        empty = msgspec.structs.replace(empty, transform=_transform(site, inputs))
    except (RefusedError, InvalidError) as e:
        return msgspec.structs.replace(empty, notes=_left_out(site, model), refused=e.message)
    begins = {w: _since(w, inputs) for w in inputs.windows}
    newer = None if inputs.newer_than is None else parse_time(inputs.newer_than) + NEWER
    until, known = parse_time(inputs.until), parse_time(inputs.known_by)
    bounds = {**begins, "": None, "newer": newer}
    counted, first, last = snapshots.counts(inputs.table, bounds, until=until, known_by=known)
    notes = [*_left_out(site, model), *_waiting(site, model, inputs, counted[""])]
    refused = ""
    try:
        fresh = counted["newer"] if newer is not None else None
        enough.check(model, counted[""], fresh, inputs.holdout_days)
    except RefusedError as e:
        refused = e.message
    return msgspec.structs.replace(
        empty,
        rows=counted[""],
        span=[iso(t) for t in (first, last) if t is not None],
        windows={w: counted[w] for w in begins},
        batches={name: rows[name] for name in (Path(p).stem for p in inputs.table.paths)},
        notes=notes,
        refused=refused,
    )


def _transform(site: Site, inputs: TrainInputs) -> str:
    """Name the transformation, and whether the champion's is another one."""
    champion = site.ledger.version(inputs.model, inputs.parent) if inputs.parent else None
    sealed = None
    if champion is not None and champion.manifest:
        sealed = site.artifacts.manifest(champion.manifest).transform
    if inputs.transform is None:
        return f"none; {inputs.parent} has {sealed.source.name}" if sealed else ""
    now = f"{inputs.transform.name} {inputs.transform.digest[:12]}"
    if champion is None or champion.safe_mode:
        return now
    if sealed is None:
        return f"{now}, new: {inputs.parent} has none"
    same = sealed.source.digest == inputs.transform.digest
    return f"{now}, as {inputs.parent} has it" if same else f"{now}, changed since {inputs.parent}"


def _since(window: str, inputs: TrainInputs) -> datetime | None:
    return None if window == "all" else parse_time(inputs.until) - duration(window)


def _left_out(site: Site, model: str) -> list[str]:
    """Return what is left out as tainted, and which lock an automatic training would wait for."""
    tainted = taints.batches(site, model)
    found = [
        f"left out: batch {b.batch[:12]}, {b.file}, {b.rows} rows: tainted"
        for b in batches.known(site.store, model)
        if b.batch in tainted and b.verdict.startswith("accepted")
    ]
    found += [f"left out: rows of {a} to {b}: tainted" for a, b in taints.spans(site, model)]
    lock = stopped_by(locks.standing(site, model), "train", person=False)
    return found + ([f"only a person may train now: {locks.said_of(lock)}"] if lock else [])


def _waiting(site: Site, model: str, inputs: TrainInputs, used: int) -> list[str]:
    """Return how many labelled rows are kept for the gate, and how many are not mature yet."""
    table = msgspec.structs.replace(inputs.table, label_time=None)
    known = parse_time(inputs.known_by)
    ends = train.cut(site, model)
    (all_, _, _) = snapshots.counts(table, {"": None}, until=EVER, known_by=known)
    (mature, _, _) = snapshots.counts(inputs.table, {"": None}, until=ends.mature, known_by=known)
    held, young = mature[""] - used, all_[""] - mature[""]
    days = duration(site.model(model).gate.holdout) / timedelta(days=1)
    found = [f"left out: the newest {held} rows, {days:g} d, which the gate judges by"] * bool(held)
    return found + [f"left out: {young} rows whose labels are not mature yet"] * bool(young)
