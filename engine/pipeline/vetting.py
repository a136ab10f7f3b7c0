"""Judging a batch that arrived: what is wrong with it alone, and beside the batches before it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from engine.clock import iso
from engine.domain.acceptance import Found, Verdict, judged
from engine.pipeline import poisoning, train, waiting, yardstick
from engine.pipeline.site import Site
from engine.pipeline.yardstick import Beside
from engine.settings import ModelSettings
from engine.stats import days
from engine.stats.days import Delivered
from engine.store import delivered
from engine.store.batches import Batch
from engine.store.delivered import Arrived, Columns
from engine.store.files import name_of
from engine.store.intake import Snapshot

AHEAD = timedelta(minutes=5)
LEAKS, HONEST = 0.05, 0.3
LEAKS_NUMBER, HONEST_NUMBER = 0.002, 0.01
FEWEST = 20
SURE = 1e-6
NAMES = 0.5


@dataclass(frozen=True, slots=True)
class Vetted:
    """The verdict on a batch, and what the batch was summed up to; None where nobody judged."""

    verdict: Verdict
    profile: Delivered | None


def vet(
    site: Site,
    model: str,
    folder: Path,
    taken: Snapshot,
    types: dict[str, str],
    every: Sequence[Batch],
) -> Vetted:
    """Judge a snapshot in a folder beside the accepted ones of every batch of its model."""
    if not site.judging:
        return Vetted(Verdict([]), None)
    settings = site.model(model)
    of = yardstick.columns_of(settings, types)
    batches = train.accepted_of(site, model, every)
    known = yardstick.history(site, model, of, batches)
    path = folder / f"{taken.batch}.parquet"
    with delivered.opened(site.store, path, of, taken.rows) as arrived:
        new = delivered.profile(arrived, of, taken.unordered)
        found = [*_times(site, arrived, of, taken), *_ids(site, arrived, of, new, batches, known)]
        found += _labels(of, settings, new, known)
        found += _leaks(of, new, known)
        if known is not None:
            beside = Beside.of(known, new)
            found += _columns(arrived, of, beside)
            found += _amount(of, beside)
        eased = waiting.eased(site, model, every)
        if not judged(found, eased).refused:
            found += poisoning.found(site, model, of, arrived, batches, known)
    return Vetted(judged(found, eased), new)


def _times(site: Site, arrived: Arrived, of: Columns, taken: Snapshot) -> Iterator[Found]:
    now: datetime = site.clock.now()
    if later := arrived.later_than(now + AHEAD):
        rows = arrived.named(f"{name_of(of.time)} > timestamp '{iso(now + AHEAD)[:19]}'")
        yield Found(
            "future",
            later / arrived.n,
            f'{_of(later, arrived.n)} lie in the future: "{of.time}" after {iso(now)}',
            of.time,
            rows,
        )
    if early := arrived.known_too_early():
        yield Found(
            "early labels",
            early / arrived.n,
            f'{_of(early, arrived.n)} have a "{of.label_time}" before their "{of.time}"',
            of.label_time,
        )
    zoned, naive = taken.zoned, taken.zoneless
    if zoned and naive:
        yield Found(
            "zones",
            min(zoned, naive) / arrived.n,
            f'"{of.time}" mixes {zoned} times that name their zone with {naive} that do not',
            of.time,
        )


def _ids(
    site: Site,
    arrived: Arrived,
    of: Columns,
    new: Delivered,
    batches: list[Batch],
    known: Delivered | None,
) -> Iterator[Found]:
    usual = known.repeated if known is not None else 0.0
    repeated = round(new.repeated * arrived.n)
    yield Found(
        "repeated",
        new.repeated - usual,
        f"{_of(repeated, arrived.n)} repeat another row{_was(usual) if usual else ''}",
    )
    if of.id is not None and (odd := arrived.repeated_ids()[1]):
        key, target = name_of(of.id), name_of(of.target)
        rows = arrived.named_groups(key, f"count(distinct {target}) > 1")
        yield Found(
            "contradictions",
            odd / arrived.n,
            f'{odd} ids come with different values of "{of.target}"',
            of.target,
            rows,
        )
    first, last = new.days[0], new.days[-1]
    over = [yardstick.path_of(site, b) for b in batches if _meets(b, first, last)]
    same, other = arrived.restated([p for p in over if p.is_file()])
    if other:
        yield Found(
            "restated",
            other / same,
            f'{other} of {same} ids that came before have another "{of.target}" now',
            of.target,
        )


def _meets(batch: Batch, first: int, last: int) -> bool:
    if batch.time_from is None or batch.time_to is None:
        return False
    day = 86_400
    return batch.time_from.timestamp() // day <= last and batch.time_to.timestamp() // day >= first


def _labels(
    of: Columns,
    settings: ModelSettings,
    new: Delivered,
    known: Delivered | None,
) -> Iterator[Found]:
    if of.target not in new.columns:
        return
    nulls = new.columns[of.target].nulls
    missing = sum(nulls) / new.n
    usual = sum(known.columns[of.target].nulls) / known.n if known is not None else 0.0
    said = f'{_of(sum(nulls), new.n)} have no "{of.target}"{_was(usual)}'
    yield Found("labels missing", missing - usual - 1 / new.n**0.5, said, of.target)
    if of.number or not new.labels:
        return
    count = {name: sum(n) for name, n in new.labels.items()}
    labelled = sum(count.values())
    before = {name: sum(n) for name, n in known.labels.items()} if known is not None else {}
    strange = [name for name in count if before and name not in before]
    many = settings.task == "binary" and len(count) > 2
    if strange or many:
        names = strange or sorted(count)
        share = sum(count[n] for n in names) / labelled
        yield Found(
            "new class",
            share,
            f'"{of.target}" has {_names(names)}, which '
            + ("no batch before had" if strange else "are more than two outcomes"),
            of.target,
        )
    if len(count) == 1 and labelled >= FEWEST:
        yield from _one_class(of, next(iter(count)), labelled, before, known)
    elif known is not None:
        yield from _rates(of, Beside.of(known, new))


def _one_class(
    of: Columns, only: str, labelled: int, before: dict[str, int], known: Delivered | None
) -> Iterator[Found]:
    share = before.get(only, 0) / max(sum(before.values()), 1) if before else 0.0
    each = zip(*known.labels.values(), strict=True) if known is not None else ()
    seen = any(max(d) == sum(d) >= FEWEST for d in each)
    if share**labelled < SURE and not seen:
        yield Found(
            "one class",
            1.0,
            f'all {labelled} rows with an outcome have the same "{of.target}", {only}',
            of.target,
        )


def _rates(of: Columns, beside: Beside) -> Iterator[Found]:
    total = [sum(d) for d in zip(*beside.known.labels.values(), strict=True)]
    now = [sum(d) for d in zip(*beside.new.labels.values(), strict=True)]
    for name, rows in beside.known.labels.items():
        new = beside.new.labels.get(name, [0] * len(now))
        beyond = yardstick.share_beyond(beside, rows, total, new, now)
        if beyond is not None and sum(now):
            was = sum(rows) / max(sum(total), 1)
            yield Found(
                "label rate",
                beyond,
                f'"{of.target}" is {name} in {sum(new) / sum(now):.1%} of the rows{_was(was)}',
                of.target,
            )


def _leaks(of: Columns, new: Delivered, known: Delivered | None) -> Iterator[Found]:
    leaks, honest = (LEAKS_NUMBER, HONEST_NUMBER) if of.number else (LEAKS, HONEST)
    for name, left in new.left.items():
        before = known.left.get(name) if known is not None else None
        if left <= leaks and (before is None or before > honest):
            share = "of the variance" if of.number else "of the errors"
            yield Found(
                "leak",
                1.0,
                f'"{name}" alone tells "{of.target}": {left:.1%} {share} are left'
                + (f", {before:.0%} before" if before is not None else ""),
                name,
            )


def _columns(arrived: Arrived, of: Columns, beside: Beside) -> Iterator[Found]:
    for name, new in beside.new.columns.items():
        old = beside.known.columns.get(name)
        if old is None or name == of.target or name in of.exclude:
            continue
        yield from _nulls(beside, name)
        if new.counts and old.counts:
            yield from _numbers(arrived, beside, name)
        elif old.values:
            yield from _unseen(beside, name)


def _nulls(beside: Beside, name: str) -> Iterator[Found]:
    old, new = beside.known.columns[name], beside.new.columns[name]
    total = sum(new.nulls)
    if not total:
        return
    was = sum(old.nulls) / beside.known.n
    beyond = yardstick.share_beyond(
        beside, old.nulls, beside.known.rows, new.nulls, beside.new.rows
    )
    if beyond is None:
        beyond = total / beside.new.n - was - 1 / beside.new.n**0.5
    if beyond > 0:
        said = f'{_of(total, beside.new.n)} have no "{name}"{_was(was)}'
        yield Found("nulls", beyond, said, name)


def _unseen(beside: Beside, name: str) -> Iterator[Found]:
    old, new = beside.known.columns[name].values, beside.new.columns[name].values
    if len(old) > NAMES * sum(old.values()) or len(old) >= days.KEPT:
        return  # names of things rather than categories: new ones are their nature
    strange = [value for value in new if value not in old]
    rows = sum(new[value] for value in strange)
    if rows:
        said = f'{_of(rows, beside.new.n)} have a "{name}" that never came: {_names(strange)}'
        yield Found("unseen", rows / sum(new.values()), said, name)


def _numbers(arrived: Arrived, beside: Beside, name: str) -> Iterator[Found]:
    old, new = beside.known.columns[name], beside.new.columns[name]
    moved = yardstick.moved(beside, name)
    if moved is not None and (moved.unit is not None or moved.by > 0):
        said = (
            f'"{name}" has the mean {moved.mean:.4g}, was {moved.was[0]:.4g} to {moved.was[1]:.4g}'
        )
        if moved.unit is not None:
            said += f": it looks like {moved.unit}"
        if moved.unit is not None and moved.sure > 1:
            yield Found("unit", moved.sure, said, name)
        else:
            yield Found("moved", moved.by, said, name)
    was, now = old.bounds(), new.bounds()
    if was is None or now is None:
        return
    width = was[1] - was[0]
    low, high = was[0] - width, was[1] + width
    if now[0] >= low and now[1] <= high:
        return
    rows, common = arrived.outside(name, low, high)
    share = rows / beside.new.n
    # A whole column beyond all before may be a counter that went on; what moved says of it.
    if share > 0.5 and (moved is None or moved.by <= 0):
        return
    said = (
        f'{_of(rows, beside.new.n)} have a "{name}" far outside of {was[0]:.4g} to '
        f"{was[1]:.4g}, like {common:.6g}"
    )
    yield Found("far out", share, said, name)


def _amount(of: Columns, beside: Beside) -> Iterator[Found]:
    if beside.lately is None or len(beside.new.days) < 1:
        return
    windows = np.asarray(beside.known.rows)[beside.lately]
    inner = beside.new.rows[1:-1] or beside.new.rows
    now = sum(inner) / len(inner)
    low, high = windows.min() / 3, windows.max() * 3
    if not low <= now <= high:
        said = f"{now:.0f} rows a day came, {windows.min():.0f} to {windows.max():.0f} before"
        yield Found("rows", 1.0, said)
    usual = beside.known.unordered
    if beside.new.unordered > usual:
        said = f"{beside.new.unordered:.1%} of the rows are dated before the row above them"
        yield Found("unordered", beside.new.unordered - usual, said, of.time)


def _of(rows: int, n: int) -> str:
    return f"{rows} of {n} rows"


def _was(share: float) -> str:
    return f", {share:.1%} before"


def _names(names: list[str]) -> str:
    shown = ", ".join(f'"{n[:40]}"' for n in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
