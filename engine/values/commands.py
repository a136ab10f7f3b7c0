"""What is asked of the engine and what it answers: changes, locks, runs, gates, rollouts."""

from typing import Any, Literal

import msgspec

from engine.values.state import Lock, PlanCheck, VersionRow


class Change(msgspec.Struct, frozen=True):
    """Body of promote, rollback and undo. `expect` is the champion the caller believes in."""

    idempotency_key: str
    expect: str | None = None
    to: str | None = None
    reason: str = ""
    attack: bool = False
    no_way_back: bool = False
    override: list[str] = []
    share_pct: float | None = None
    before: str | None = None


class ChangeAnswer(msgspec.Struct, frozen=True):
    """What a change did; `changed` is False where the world was so already."""

    model: str
    from_: str | None = msgspec.field(name="from")
    to: str | None
    generation: int
    audit_seq: int
    changed: bool
    message: str = ""
    undo_until: str | None = None


class LockRequest(msgspec.Struct, frozen=True):
    """Body of hold, resume, freeze, thaw, pin and unpin; `version` is whom to pin."""

    idempotency_key: str
    reason: str = ""
    version: str | None = None


class LockAnswer(msgspec.Struct, frozen=True):
    """The locks of a model after the change."""

    model: str
    locks: list[Lock]
    generation: int
    audit_seq: int
    changed: bool
    message: str = ""


class Taint(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """What is not trusted: a version, a batch, or rows with from <= time < to.

    A batch carries the interval of its rows, a version left as attacked the interval that was
    suspected. `touches` are the versions that it reaches.
    """

    number: int
    model: str
    owner: str
    reason: str
    since: str
    from_: str | None = None
    to: str | None = None
    batch: str | None = None
    version: str | None = None
    lifted: str | None = None
    touches: list[str] = []


class TaintRequest(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """Body of taint: an interval, a batch by the beginning of its digest, or a version.

    With `lift` a taint is lifted instead; 0 means the only one that stands.
    """

    idempotency_key: str
    from_: str | None = None
    to: str | None = None
    batch: str | None = None
    version: str | None = None
    lift: int | None = None
    reason: str = ""


class TaintAnswer(msgspec.Struct, frozen=True):
    """The taints of a model after the change, and the versions whose fitness it changed."""

    model: str
    taints: list[Taint]
    versions: list[str]
    generation: int
    audit_seq: int
    changed: bool
    message: str = ""


class RunRequest(msgspec.Struct, frozen=True):
    """Body of train, monitor, validate, cancel: `version` or, with `rebuild`, all looks again."""

    idempotency_key: str
    reason: str = ""
    version: str | None = None
    rebuild: bool = False


class RunLog(msgspec.Struct, frozen=True):
    """The end of what the process of a run wrote; `cut` is how many bytes before it were left out.

    `missing` says why there is nothing.
    """

    run: str
    lines: list[str]
    cut: int = 0
    missing: str = ""


class TrainPlan(msgspec.Struct, frozen=True):
    """What a training would be made of: rows by window and batch; `refused` where it would be."""

    model: str
    recipe: str
    seeds: int
    seed: int
    rows: int = 0
    span: list[str] = []
    windows: dict[str, int] = {}
    batches: dict[str, int] = {}
    notes: list[str] = []
    refused: str = ""
    transform: str = ""


class Proof(msgspec.Struct, frozen=True):
    """Who has answered since a generation began: predictions by version, and how it was seen."""

    model: str
    generation: int
    to: str
    by_version: dict[str, int]
    source: Literal["live", "probe"]
    proven: bool


class RollbackReady(msgspec.Struct, frozen=True):
    """Whether one key would take the model back, and to what; what was proven before the key."""

    to: str | None
    ready: bool
    why: str
    checks: list[PlanCheck] = []
    measured: str = ""


class ModelStatus(msgspec.Struct, frozen=True):
    """One model in `cdml status`."""

    model: str
    champion: str | None
    generation: int
    locks: list[Lock]
    rollback: RollbackReady
    incident: int | None = None
    rollout: str = ""
    alerts: int = 0


class Status(msgspec.Struct, frozen=True):
    """`cdml status`: engine and serving in a word, models in a line; `wall` is the time there.

    `untold` names the targets that cannot be told what happens, each with the reason.
    `stands_in` says who answers for a champion that could not be loaded, and why; `lacking` how
    little of the disk is free, where that is too little to go on.
    """

    engine: str
    serving: str
    models: list[ModelStatus]
    wall: str = ""
    untold: dict[str, str] = {}
    stands_in: str | None = None
    lacking: str = ""


class Look(msgspec.Struct, frozen=True):
    """One look at a guardrail: its value after n rows, as an e-value or with its bounds."""

    time: str
    n: int
    value: float | None
    low: float | None = None
    high: float | None = None


class Guardrail(msgspec.Struct, frozen=True):
    """A guardrail of a rollout: what it says now, its boundary, and its looks, oldest first."""

    name: Literal["errors", "latency", "quality", "routing"]
    acting: bool
    verdict: Literal["pass", "fail", "inconclusive"]
    n: int
    text: str
    value: float | None
    low: float | None
    high: float | None
    boundary: float | None
    looks: list[Look] = []


class RolloutStep(msgspec.Struct, frozen=True):
    """A step of the plan, and about how long errors of 1 % -> 3 % would go unseen at its share."""

    share_pct: float
    rows: int
    detect_rows: int | None
    detect_minutes: float | None


class RolloutPage(msgspec.Struct, frozen=True):
    """`cdml rollout`: the rollout that runs, or how the last one ended; the evidence, the plan."""

    model: str
    mode: str
    phase: Literal["none", "shadow", "canary"]
    version: str | None
    champion: str | None
    share_pct: float
    since: str | None
    decision: str
    why: str
    waiting: str
    ended: str
    guardrails: list[Guardrail]
    plan: list[RolloutStep]


class Check(msgspec.Struct, frozen=True):
    """One line of a gate report. The interval is of `value`.

    `needed` is how many rows in all would decide an open check, if the value stayed as it is.
    """

    name: str
    verdict: Literal["pass", "fail", "inconclusive", "observed"]
    threshold: float | None
    unit: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    needed: int | None = None
    text: str = ""


class GateReport(msgspec.Struct, frozen=True):
    """Every check of one validation, against whom it was made, and the metric's own value.

    `measured` are the other metrics and the KPI that the version had there, by name.
    """

    verdict: Literal["pass", "fail", "inconclusive"]
    against: str | None
    holdout_from: str | None
    holdout_to: str | None
    n: int
    checks: list[Check]
    reasons: list[str]
    value: float | None = None
    measured: dict[str, float | None] = {}


class VersionPage(msgspec.Struct, frozen=True):
    """`cdml show`: one version with its lineage and gate report.

    `cause` is why its run was; `queries` are those that its batches came from, by batch.
    """

    row: VersionRow
    report: GateReport | None
    manifest: dict[str, Any]
    cause: str = ""
    queries: dict[str, str] = {}


class CompareAnswer(msgspec.Struct, frozen=True):
    """`cdml compare A B`: both on the same mature rows, newer than what either was trained on.

    Of each line's value, positive means that B is better; a difference of answers has no side.
    `missing` says why there are too few rows to tell them apart.
    """

    model: str
    a: str
    b: str
    metric: str
    higher_is_better: bool
    since: str
    until: str
    n: int
    blocks: int
    block: str
    values: dict[str, float | None]
    lines: list[Check]
    missing: str = ""


class UploadAnswer(msgspec.Struct, frozen=True):
    """What became of a file: accepted, duplicate or quarantined, with reasons."""

    model: str
    file: str
    verdict: Literal["accepted", "accepted_with_warnings", "duplicate", "quarantined"]
    batch: str | None
    rows: int
    reasons: list[str] = []


class BackupAnswer(msgspec.Struct, frozen=True):
    """A copy of the workspace that was made and verified; `commits` is the metric store's count."""

    folder: str
    files: int
    bytes: int
    commits: int
    audit_head: str
    made: str


class ClockRequest(msgspec.Struct, frozen=True):
    """Move a simulated clock; answered when everything due by then is done."""

    now: str


class ClockAnswer(msgspec.Struct, frozen=True):
    """The clock after the move."""

    now: str
