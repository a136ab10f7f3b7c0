"""What happened and why: audit, lineage, incidents."""

from typing import Any, Literal

import msgspec

from engine.values.commands import Taint


class AuditEntry(msgspec.Struct, frozen=True):
    """One link of the audit chain."""

    seq: int
    time: str
    wall: str
    actor: str
    action: str
    model: str | None
    from_version: str | None
    to_version: str | None
    generation_before: int | None
    generation_after: int | None
    reason: str
    detail: dict[str, Any]
    prev_hash: str
    hash: str
    key: str | None = None


class AuditQuestion(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `cdml audit` asks for; without anything, the newest entries.

    `overrides` is those since `since`, or of this month; `at` who served then.
    """

    verify: bool = False
    model: str | None = None
    version: str | None = None
    batch: str | None = None
    at: str | None = None
    overrides: bool = False
    since: str | None = None


class Served(msgspec.Struct, frozen=True):
    """Who served a model at a moment, since when, by which entry, and where its answers lie."""

    model: str
    champion: str | None
    canary: str | None
    canary_share_pct: float
    shadow: str | None
    generation: int
    since: str
    audit_seq: int
    answers: str = ""


class BatchTrace(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A batch and what it touched: versions trained on its rows, versions judged on them."""

    model: str
    batch: str
    file: str
    received: str
    rows: int
    from_: str | None
    to: str | None
    trained: list[str]
    judged: list[str]
    taints: list[Taint]
    query: str = ""


class AuditAnswer(msgspec.Struct, frozen=True):
    """`cdml audit`: the entries asked for; `fault` names the first broken link, if any.

    `served` answers who served at a time, `batch` what a batch touched.
    """

    entries: list[AuditEntry]
    verified: bool
    head: str
    fault: str | None = None
    served: list[Served] = []
    batch: BatchTrace | None = None


class LineageBatch(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A batch that a version knew; `used` says whether it was trained on rows of it."""

    batch: str
    file: str
    rows: int
    from_: str | None
    to: str | None
    used: bool
    query: str = ""


class TransformTrace(msgspec.Struct, frozen=True):
    """The transformation of a version: its file and digest, the columns kept and derived."""

    name: str
    digest: str
    kept: list[str]
    derived: list[str]
    text: str


class Lineage(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """`cdml lineage`: what a version was made of, compared with, and what came of it.

    `without` are intervals left out as tainted; `led` are the audit entries that made it champion,
    `measured` the versions judged against it, `children` those that it was the parent of. `origin`
    is what it takes to make it again; `cause` is why its run was.
    """

    model: str
    version: str
    state: str
    from_: str
    to: str
    rows: int
    window: str
    recipe: str
    metric: str
    seed: int
    packages: dict[str, str]
    run: str
    created_at: str
    manifest: str
    artifact: str
    batches: list[LineageBatch]
    without: list[tuple[str, str]]
    against: str | None
    verdict: str | None
    measured: list[str]
    led: list[int]
    taints: list[Taint]
    origin: dict[str, Any] = {}
    children: list[str] = []
    cause: str = ""
    transform: TransformTrace | None = None


class Reproduction(msgspec.Struct, frozen=True):
    """`cdml reproduce`: a version made again; `because` is what may explain what differs."""

    model: str
    version: str
    same: bool
    artifact: str
    made: str
    differs: list[str]
    because: list[str]


class IncidentRow(msgspec.Struct, frozen=True):
    """One incident; `closed` is None while it is open, `seq` the last audit entry before it."""

    number: int
    model: str
    version: str | None
    title: str
    opened: str
    closed: str | None
    seq: int


class IncidentNote(msgspec.Struct, frozen=True):
    """One line of an incident's timeline: an alert, an action, evidence or a person's note."""

    time: str
    author: str
    kind: Literal["alert", "action", "evidence", "note"]
    text: str


class IncidentPage(msgspec.Struct, frozen=True):
    """`cdml incident N`: the incident and what gathered on it, oldest first."""

    row: IncidentRow
    timeline: list[IncidentNote]


class NoteRequest(msgspec.Struct, frozen=True):
    """A person's note on an incident, its closing, or both."""

    text: str = ""
    close: bool = False


class IncidentReport(msgspec.Struct, frozen=True):
    """`cdml incident N --report`: the post-mortem as Markdown."""

    number: int
    text: str
