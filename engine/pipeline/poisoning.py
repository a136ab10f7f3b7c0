"""New labels of a batch beside a trusted reference: poisoned ones are asked about, never decided.

A real change of the world looks the same, so all that comes of it is a question to a person.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.clock import parse_time
from engine.domain.acceptance import Found
from engine.pipeline import features, taints, trusted, yardstick
from engine.pipeline.site import Site
from engine.pipeline.trusted import Labelled, Reference, Trust
from engine.stats import poisoning
from engine.stats.days import Delivered
from engine.store import delivered, sample
from engine.store.batches import Batch
from engine.store.delivered import Arrived, Columns

SURE, EFFECT = 3.0, 1.2
OVERALL, OVERALL_EFFECT = 6.0, 0.25
TRIGGER = 6.0
SLACK = 1.5
TOGETHER = 5
NAMED = 5


@dataclass(frozen=True, slots=True)
class Trusted:
    """The trust in a model's labels so far, and the features that it knows."""

    trust: Trust
    reference: Reference
    types: dict[str, str]


def trusted_of(
    site: Site, model: str, of: Columns, batches: Sequence[Batch], known: Delivered | None
) -> Trusted | None:
    """Return what new labels are judged by; None for numbers, and for too few batches so far."""
    if of.number or known is None:
        return None
    # A column that was approved but never came says nothing yet.
    there = {name: kind for name, kind in of.types.items() if name in known.columns}
    types = features.feature_types(site.model(model), there)
    trust = _trust(site, model, types, of, batches)
    return Trusted(trust, trust.reference, types) if trust.reference is not None else None


def found(
    site: Site,
    model: str,
    of: Columns,
    arrived: Arrived,
    batches: Sequence[Batch],
    known: Delivered | None,
) -> Iterator[Found]:
    """Yield what is wrong with the labels of a batch beside those accepted before it."""
    by = trusted_of(site, model, of, batches, known)
    if by is None:
        return
    new = _labelled(by.reference, by.types, of, arrived)
    if len(new) < poisoning.FEWEST:
        return
    before = _since(site, by.trust, by.types, of, batches)
    by.trust.seen[arrived.name] = new
    yield from unexpected(of, by.reference, [new])
    if before:
        yield from unexpected(of, by.reference, [*before, new])
    yield from triggers(of, by.reference, list(by.types), new)


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
    paths = [str(p) for b in batches if (p := yardstick.path_of(site, b)).is_file()]
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


def _labelled(
    reference: Reference, types: dict[str, str], of: Columns, arrived: Arrived
) -> Labelled:
    name = of.id or of.time
    table = arrived.labelled([*types, of.target, of.time, name])
    return reference.judged(table, list(types), of.target, of.time, name)


def _since(
    site: Site, trust: Trust, types: dict[str, str], of: Columns, batches: Sequence[Batch]
) -> list[Labelled]:
    """Return the newest batches since the reference, as it sees them.

    One that a person accepted in spite of what was found is not asked about again with the next.
    """
    unasked = [b for b in batches if not any(f.refuses for f in b.findings)]
    made_of, newest = set(trust.of), unasked[-TOGETHER + 1 :]
    wanted = [b for b in newest if b.batch not in made_of]
    kept = {}
    for batch in wanted:
        judged = trust.seen.get(batch.batch)
        if judged is None and trust.reference is not None:
            path = yardstick.path_of(site, batch)
            if not path.is_file():
                continue
            with delivered.opened(site.store, path, of, batch.rows) as arrived:
                judged = _labelled(trust.reference, types, of, arrived)
        if judged is not None and len(judged):
            kept[batch.batch] = judged
    trust.seen = kept
    return list(kept.values())


def unexpected(of: Columns, reference: Reference, parts: Sequence[Labelled]) -> Iterator[Found]:
    """Yield where labels of batches, the newest last, are not what the reference lets expect."""
    usual, new = reference.trusted, parts[-1]
    matrix = np.concatenate([p.matrix for p in parts])
    values = np.concatenate([p.surprise for p in parts])
    whole = poisoning.surplus(values, usual.surprise, float(usual.surprise.std()))
    some = trusted.region(matrix, values, usual.matrix, usual.surprise)
    worst, most = reference.worst
    since = f" over the last {len(parts)} batches" if len(parts) > 1 else ""
    if some is not None:
        inside = some.rows[some.rows >= len(values) - len(new)] - (len(values) - len(new))
        # What earlier batches brought is no reason to set this one aside.
        own = poisoning.surplus(new.surprise[inside], usual.surprise, float(usual.surprise.std()))
        beyond = min(
            some.z / max(SURE, SLACK * worst),
            some.effect / max(EFFECT, most),
            own[1] / (EFFECT / 2),
        )
        where = f"in one kind of rows ({len(inside)} of them)"
        yield _asked(of, new, inside, f"{where}{since}", some.z, beyond)
    beyond = min(whole[0] / OVERALL, whole[1] / OVERALL_EFFECT)
    yield _asked(of, new, np.arange(len(new)), f"in the whole batch{since}", whole[0], beyond)


def _asked(of: Columns, new: Labelled, inside: Any, where: str, z: float, beyond: float) -> Found:
    worst = inside[np.argsort(-new.surprise[inside], kind="stable")][:NAMED]
    return Found(
        "poisoned",
        beyond,
        f'"{of.target}" is not what the accepted batches let expect {where}, by {z:.1f} standard '
        "errors",
        of.target,
        [f"{n:.0f}" if isinstance(n, float) else str(n) for n in new.names[worst]],
    )


def triggers(of: Columns, reference: Reference, types: list[str], new: Labelled) -> Iterator[Found]:
    """Yield the exact values, alone or in twos, that nearly all have one label all of a sudden."""
    combined = poisoning.combinations(
        new.matrix, new.labels, new.expected, reference.trusted.matrix
    )
    if not combined:
        return
    first = combined[0]
    said = " and ".join(
        f'"{types[c]}" = {_value(reference, c, v)}'
        for c, v in zip(first.columns, first.values, strict=True)
    )
    yield Found(
        "trigger",
        first.z / TRIGGER,
        f"{first.n} rows with {said} all have the same "
        f'"{of.target}", {reference.classes[first.label]}; such rows were '
        f"{first.before:.2%} before",
        of.target,
    )


def _value(reference: Reference, column: int, value: float) -> str:
    feature = reference.schema.features[column]
    return f'"{feature.categories[int(value)]}"' if feature.categories else f"{value:.6g}"
