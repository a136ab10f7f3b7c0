"""New labels of a batch beside a trusted reference: poisoned ones are asked about, never decided.

A real change of the world looks the same, so all that comes of it is a question to a person.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from engine.clock import parse_time
from engine.domain.acceptance import Found
from engine.pipeline import features, past, taints, trusted
from engine.pipeline.site import Site
from engine.pipeline.trusted import Judged, Reference, Trust
from engine.stats import encoding, outcomes, poisoning
from engine.stats.days import Delivered
from engine.store import delivered, sample
from engine.store.batches import Batch
from engine.store.delivered import Arrived, Columns

SURE = 5.5
TRIGGER = 6.0
SLACK = 1.5
MOVED, MOVED_ALL = 0.9, 0.6
TOGETHER = 5
NAMED = 5


def found(
    site: Site,
    model: str,
    of: Columns,
    arrived: Arrived,
    batches: Sequence[Batch],
    known: Delivered | None,
) -> Iterator[Found]:
    """Yield what is wrong with the labels of a batch beside those accepted before it."""
    settings = site.model(model)
    if of.number or known is None:
        return
    # A column that was approved but never came says nothing yet.
    there = {name: kind for name, kind in of.types.items() if name in known.columns}
    types = features.feature_types(settings, there)
    trust = _trust(site, model, types, of, batches)
    if trust.reference is None:
        return
    new = _judged(trust.reference, types, of, arrived)
    if new is None:
        return
    before = _since(site, trust, types, of, batches)
    for parts in ([new], [*before, new]) if before else ([new],):
        yield from _segments(of, trust.reference, parts)
    yield from _triggers(of, trust.reference, types, new)


def _trust(
    site: Site, model: str, types: dict[str, str], of: Columns, batches: Sequence[Batch]
) -> Trust:
    count = trusted.prefix([b.rows for b in batches])
    made_of = (*types, *(b.batch for b in batches[:count]), *map(str, taints.spans(site, model)))
    known = site.trusted.get(model)
    if known is None or known.of != made_of:
        table = _table(site, model, types, of, batches[:count])
        fitted = trusted.fit(types, site.model(model).task, of.target, table) if table else None
        known = site.trusted[model] = Trust(made_of, fitted, {})
    return known


def _table(
    site: Site, model: str, types: dict[str, str], of: Columns, batches: Sequence[Batch]
) -> dict[str, Any]:
    """Return labelled rows of the oldest batches in order of time, without tainted ones."""
    paths = [str(p) for b in batches if (p := past.path_of(site, b)).is_file()]
    ends = [b.time_to for b in batches if b.time_to is not None]
    if not paths or not ends:
        return {}
    wanted = list(dict.fromkeys([*types, of.target, of.time]))
    drawn = sample.rows(site.store, paths, wanted, of.time, max(ends), trusted.ROWS, newest=False)
    times = features.moments(drawn[of.time])
    kept = delivered.filled(drawn[of.target])
    for since, until in taints.spans(site, model):
        low, high = (parse_time(t).timestamp() * 1e6 for t in (since, until))
        kept &= (times < low) | (times >= high)
    order = np.flatnonzero(kept)[np.argsort(times[kept], kind="stable")]
    return {**{n: v[order] for n, v in drawn.items()}, trusted.TIME: drawn[of.time][order]}


def _judged(
    reference: Reference, types: dict[str, str], of: Columns, arrived: Arrived
) -> Judged | None:
    table = arrived.labelled([*types, of.target, of.time, of.id or of.time])
    codes = outcomes.codes("multiclass", reference.classes, table[of.target])
    kept = np.flatnonzero(~np.isnan(codes))
    if len(kept) < poisoning.FEWEST:
        return None
    labels = codes[kept].astype(np.intp)
    matrix = encoding.matrix(reference.schema, {n: table[n][kept] for n in types})
    expected = reference.expected(matrix)
    shifted = poisoning.shifted(expected, labels)
    days = features.moments(table[of.time][kept]) // 86_400_000_000
    return Judged(
        matrix,
        labels,
        shifted,
        poisoning.surprise(expected, labels),
        poisoning.surprise(shifted, labels),
        reference.segments(matrix),
        len(np.unique(days)),
        table[of.id or of.time][kept],
    )


def _since(
    site: Site, trust: Trust, types: dict[str, str], of: Columns, batches: Sequence[Batch]
) -> list[Judged]:
    """Return the newest batches since the reference, as it sees them."""
    made_of, newest = set(trust.of), list(batches)[-TOGETHER + 1 :]
    wanted = [b for b in newest if b.batch not in made_of]
    kept = {}
    for batch in wanted:
        judged = trust.seen.get(batch.batch)
        if judged is None and trust.reference is not None:
            path = past.path_of(site, batch)
            if not path.is_file():
                continue
            with delivered.opened(path, of) as arrived:
                judged = _judged(trust.reference, types, of, arrived)
        if judged is not None:
            kept[batch.batch] = judged
    trust.seen = kept
    return list(kept.values())


def _segments(of: Columns, reference: Reference, parts: list[Judged]) -> Iterator[Found]:
    days = sum(p.days for p in parts)
    ranked: list[tuple[float, float, int]] = []
    for segment, usual in enumerate(reference.usual):
        if usual is None:
            continue
        if segment == 0:
            values = np.concatenate([p.overall for p in parts])
        else:
            values = np.concatenate([p.apart[p.segments == segment] for p in parts])
        z = poisoning.excess(values, usual, days)
        # Where labels are hard to tell, a season moves them further than any standard error.
        least = (MOVED_ALL if segment == 0 else MOVED) * usual.row
        if z is not None and values.mean() - usual.mean > least:
            beyond = poisoning.skewed(z, len(values), values)
            # What honest days brought before is no sign of anything.
            ranked.append((beyond / max(SURE, SLACK * usual.worst), beyond, segment))
    share, z, segment = max(ranked, default=(0.0, 0.0, 0))
    if share <= 1:
        return
    new = parts[-1]
    inside = np.arange(len(new.labels)) if segment == 0 else np.flatnonzero(new.segments == segment)
    worst = inside[np.argsort(-new.apart[inside], kind="stable")][:NAMED]
    names = ", ".join(f"{n:.0f}" if isinstance(n, float) else str(n) for n in new.names[worst])
    where = "in the whole batch" if segment == 0 else f"in one kind of rows ({len(inside)} of them)"
    since = f" over the last {len(parts)} batches" if len(parts) > 1 else ""
    yield Found(
        "poisoned",
        z,
        f'"{of.target}" is not what the accepted batches let expect {where}{since}, by '
        f"{z:.1f} standard errors; least of all in {of.id or of.time} {names}",
    )


def _triggers(
    of: Columns, reference: Reference, types: dict[str, str], new: Judged
) -> Iterator[Found]:
    combined = poisoning.combinations(new.matrix, new.labels, new.expected, reference.matrix)
    sure = [c for c in combined if c.z > TRIGGER]
    if not sure:
        return
    first, names = sure[0], list(types)
    said = " and ".join(
        f'"{names[c]}" = {_value(reference, c, v)}'
        for c, v in zip(first.columns, first.values, strict=True)
    )
    yield Found(
        "poisoned",
        first.z,
        f"{first.n} rows with {said} all have the same "
        f'"{of.target}", {reference.classes[first.label]}; such rows were '
        f"{first.before:.2%} before",
    )


def _value(reference: Reference, column: int, value: float) -> str:
    feature = reference.schema.features[column]
    return f'"{feature.categories[int(value)]}"' if feature.categories else f"{value:.6g}"
