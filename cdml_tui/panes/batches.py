"""Delivered files as rows and as facts: what was found of each, and what a person can do."""

from dataclasses import dataclass
from datetime import datetime

from cdml_tui.panes.columns import Cell, Column
from cdml_tui.panes.figures import NONE, clock, count
from cdml_tui.panes.line import Style
from engine import wire

_WORDS = {"accepted_with_warnings": "warned", "quarantined": "set aside"}
_STYLES: dict[str, Style] = {
    "accepted": "good", "warned": "warn", "set aside": "alarm", "TAINTED": "bad",
    "discarded": "dim", "released": "dim",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was delivered for a model, and what of it is not trusted any more."""

    answer: wire.BatchesAnswer
    taints: tuple[wire.Taint, ...]


def taint_of(batch: wire.BatchRow, taints: tuple[wire.Taint, ...]) -> wire.Taint | None:
    """Return the taint that stands on a batch, or None."""
    standing = (t for t in taints if t.batch and not t.lifted)
    return next((t for t in standing if (t.batch or "").startswith(batch.batch)), None)


def word_of(batch: wire.BatchRow, taint: wire.Taint | None) -> str:
    """Return the state of a batch in a word."""
    return "TAINTED" if taint else _WORDS.get(batch.verdict, batch.verdict)


def style_of(word: str) -> Style:
    """Return the style of a state."""
    return _STYLES.get(word, "")


def columns(
    now: datetime | None, taints: tuple[wire.Taint, ...]
) -> tuple[Column[wire.BatchRow], ...]:
    """Return what a row shows of a batch."""

    def state(batch: wire.BatchRow) -> Cell:
        word = word_of(batch, taint_of(batch, taints))
        return word, style_of(word)

    return (
        Column("RECEIVED", 11, lambda b: clock(b.received, now)),
        Column("STATE", 9, state),
        Column("ROWS", 6, lambda b: count(b.rows) if b.rows else NONE, right=True),
        Column("KIND", 6, lambda b: b.kind, least=100),
        Column("ROWS OF", 23, rows_of, least=76),
        Column("BATCH", 12, lambda b: b.batch, least=100),
        Column(
            "FOUND", 5, lambda b: str(len(b.reasons)) if b.reasons else "", least=60, right=True
        ),
        Column("FILE", 0, lambda b: f"{b.file}{f': {b.reasons[0]}' if b.reasons else ''}"),
    )


def rows_of(batch: wire.BatchRow) -> str:
    """Return the interval of a batch's rows."""
    if batch.from_ is None or batch.to is None:
        return NONE
    first, last = (t[5:16].replace("T", " ") for t in (batch.from_, batch.to))
    return f"{first}..{last[6:] if last[:5] == first[:5] else last}"
