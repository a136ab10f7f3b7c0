"""What was delivered and what was found of it: batches, quarantine, the columns of a model."""

from typing import Literal

import msgspec


class BatchFinding(msgspec.Struct, frozen=True):
    """One thing that a check found of a delivered file; `rows` names some of those it is about.

    `refuses` says whether it alone sets the file aside; otherwise it is told. `next` is what to do.
    """

    check: str
    said: str
    next: str
    refuses: bool
    column: str | None = None
    rows: list[str] = []


class BatchRow(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A delivered file, by the beginning of its digest, with its verdict.

    `reasons` are sentences, `findings` those that a check of the rows led to, taken apart.
    `commands` are what a person can do about it now; empty where there is nothing to decide. A file
    of labels is listed only if it was set aside.
    """

    batch: str
    file: str
    received: str
    verdict: Literal["accepted", "accepted_with_warnings", "quarantined", "released", "discarded"]
    rows: int
    from_: str | None
    to: str | None
    reasons: list[str]
    findings: list[BatchFinding] = []
    commands: list[str] = []
    kind: Literal["rows", "labels"] = "rows"


class BatchesAnswer(msgspec.Struct, frozen=True):
    """What was delivered for a model, the newest first; `waiting` counts those set aside now.

    `total` counts all there ever were; a released file stands a second time, as it was accepted.
    """

    model: str
    batches: list[BatchRow]
    total: int
    waiting: int


class QuarantineRequest(msgspec.Struct, frozen=True):
    """Body of quarantine: a file by the beginning of its digest, taken in or put away for good."""

    idempotency_key: str
    verb: Literal["accept", "discard"]
    batch: str
    reason: str = ""


class QuarantineAnswer(msgspec.Struct, frozen=True):
    """What became of a file in quarantine; `taken` is its batch where it was accepted."""

    model: str
    batch: str
    taken: str | None
    rows: int
    message: str
    changed: bool


class SchemaChange(msgspec.Struct, frozen=True):
    """A column whose type is or would be another; None where it is not there."""

    column: str
    now: str | None
    then: str | None


class SchemaVersion(msgspec.Struct, frozen=True):
    """One version of a model's columns: since when, by whom, after which file, what it changed."""

    version: int
    since: str
    by: str
    file: str
    changes: list[SchemaChange]


class SchemaAnswer(msgspec.Struct, frozen=True):
    """The columns of a model and what the newest file that differs would change.

    `file` is that file; `versions` are all there were, oldest first; `commands` what can be done.
    """

    model: str
    version: int
    columns: dict[str, str]
    since: str | None
    approved_by: str
    proposed: list[SchemaChange] = []
    file: str | None = None
    versions: list[SchemaVersion] = []
    commands: list[str] = []
