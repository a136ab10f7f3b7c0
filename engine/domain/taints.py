"""How far a taint spreads: from rows, batches and versions to everything trained on them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Span:
    """Rows with since <= time < until."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Mark:
    """What is tainted: a version, a batch with the span of its rows, or the rows of a span."""

    version: str | None = None
    batch: str | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a version was trained on: batches, first and last row, and the spans left out."""

    version: str
    batches: frozenset[str]
    first: datetime
    last: datetime
    without: tuple[Span, ...] = ()


def reaches(mark: Mark, lineage: Lineage) -> bool:
    """Say whether a version is tainted by a mark.

    A batch taints only who trained on its rows: a version may know a batch and have used none.
    """
    if mark.version is not None:
        return mark.version == lineage.version
    if mark.batch is not None and mark.batch not in lineage.batches:
        return False
    return mark.span is None or _trained_on(mark.span, lineage)


def _trained_on(span: Span, lineage: Lineage) -> bool:
    if span.until <= lineage.first or span.since > lineage.last:
        return False
    since = max(span.since, lineage.first)
    return not _left_out(since, span.until, lineage.last, lineage.without)


def _left_out(since: datetime, until: datetime, last: datetime, without: Iterable[Span]) -> bool:
    """Say whether all rows from `since` to before `until`, none after `last`, were left out."""
    for span in sorted(without, key=lambda s: s.since):
        if span.since <= since < span.until:
            since = span.until
    return since >= until or since > last
