"""One snapshot for the console: versions, plans, signals, alerts, jobs, events."""

from typing import Literal

import msgspec


class VersionRow(msgspec.Struct, frozen=True):
    """One version as the list shows it; `metric` is of rows that end at `metric_to`.

    Replayed means answered now, on the rows that the champion's realised metric is of.
    """

    version: str
    fitness: str
    roles: list[str]
    share_pct: float
    verdict: str | None
    trained_from: str | None
    trained_to: str | None
    generation: int
    state: str = ""
    metric: float | None = None
    metric_n: int = 0
    metric_kind: Literal["realised", "replayed", "validation", "none"] = "none"
    metric_to: str | None = None
    drift: float | None = None
    p95_ms: float | None = None
    created_at: str | None = None
    safe_mode: bool = False
    memory_mib: float | None = None


class Suppressed(msgspec.Struct, frozen=True):
    """An automatic action that a lock stopped, and how often."""

    action: str
    count: int
    first: str
    last: str


class Lock(msgspec.Struct, frozen=True):
    """A lock as the operator sees it: who, why, since when; `version` of a pin.

    `everywhere` is a freeze of the whole engine; `suppressed` is what the lock stopped so far.
    """

    kind: str
    owner: str
    reason: str
    since: str
    version: str | None = None
    everywhere: bool = False
    suppressed: list[Suppressed] = []


class PlanCheck(msgspec.Struct, frozen=True):
    """One thing proven before the key: name, whether it holds, what was found."""

    name: str
    ok: bool
    found: str


class Plan(msgspec.Struct, frozen=True):
    """What a key would do now. `ready` arms the key.

    `overrides` names the guards that a person would have to override (class D); `why` is one
    sentence for the person, empty when ready.
    """

    action: Literal["promote", "rollback"]
    ready: bool
    why: str
    from_version: str | None
    to: str | None
    checks: list[PlanCheck] = []
    measured: str = ""
    same_as: str = ""
    overrides: list[str] = []


class Signal(msgspec.Struct, frozen=True):
    """One watched number over time, oldest first; gaps are None. `alert` is the state of its alert.

    A number may be over its limit without one: patience runs, or it is not sure.
    """

    name: str
    unit: str
    kind: Literal["realised", "estimated", "live"]
    values: list[float | None]
    times: list[str]
    last: float | None
    n: int
    limit: float | None = None
    limit_text: str = ""
    breached: bool = False
    alert: Literal["", "firing", "acknowledged", "muted"] = ""


class DriftReference(msgspec.Struct, frozen=True):
    """Drift of one column against one reference; `of` says which rows, `missing` why there is none.

    psi and js are measured on the reference deciles or categories, ks on the finer frozen bins:
    short of the exact one by at most one bin's share. wasserstein is in the column's unit, between
    the 0.5 % and 99.5 % quantiles of the training rows.
    """

    against: Literal["training", "season", "recent"]
    of: str
    n: int = 0
    psi: float | None = None
    js: float | None = None
    ks: float | None = None
    wasserstein: float | None = None
    missing: str = ""


class DriftColumn(msgspec.Struct, frozen=True):
    """Drift of one column, current window against the champion's training rows.

    `worth` is what the column is to the model in its metric's unit, `damage` worth times psi.
    `evidence` may be looked at as often as one likes; enough is `evidence_needed`, and it has been
    growing since `evidence_since`. `missing` says why there is no psi.
    """

    column: str
    kind: Literal["numeric", "categorical"]
    psi: float | None
    js: float | None
    ks: float | None
    n_reference: int
    n_current: int
    null_rate_reference: float
    null_rate_current: float
    new_categories: list[str] = []
    part: Literal["feature", "score", "label", "slice"] = "feature"
    bins: int = 0
    ks_bins: int = 0
    wasserstein: float | None = None
    wasserstein_normed: float | None = None
    infinite_current: int = 0
    below_current: int = 0
    above_current: int = 0
    unseen_current: dict[str, int] = {}
    mean_reference: float | None = None
    mean_current: float | None = None
    deviation_reference: float | None = None
    deviation_current: float | None = None
    worth: float | None = None
    damage: float | None = None
    evidence: float | None = None
    evidence_needed: float | None = None
    evidence_since: str | None = None
    drifted: bool = False
    references: list[DriftReference] = []
    missing: str = ""


class JobRow(msgspec.Struct, frozen=True):
    """One run. `progress` is 0 to 1 or None, `left_s` by it; `cause` says what started it."""

    id: str
    model: str
    job: str
    state: str
    cause: str
    queued_at: str
    started_at: str | None = None
    ended_at: str | None = None
    progress: float | None = None
    note: str = ""
    error: str | None = None
    version: str | None = None
    verdict: str | None = None
    left_s: float | None = None
    cpu_s: float | None = None
    memory_mib: int | None = None


class ScheduleRow(msgspec.Struct, frozen=True):
    """When a job of a model is due next."""

    model: str
    job: str
    every: str
    next_due: str | None
    note: str = ""


class EventRow(msgspec.Struct, frozen=True):
    """One fact for people: INFO, WARN, CRIT, or ACT for what a person or the engine did."""

    id: int
    time: str
    level: Literal["INFO", "WARN", "CRIT", "ACT"]
    kind: str
    model: str | None
    text: str


class AlertRow(msgspec.Struct, frozen=True):
    """One alert: what, since when, how sure, what it costs, what explains it, what to do next.

    `since` is the first look that found it, `opened` the one that made it an alert; `looks` counts
    how many found it.
    """

    number: int
    model: str
    kind: str
    name: str
    version: str
    severity: Literal["WARN", "CRIT"]
    state: Literal["pending", "firing", "acknowledged", "muted", "ended"]
    text: str
    value: float | None
    limit: float
    n: int
    since: str
    seen: str
    looks: int
    sure: str
    cost: str
    because: str
    next: list[str]
    opened: str | None = None
    ended: str | None = None
    why_ended: str = ""
    acked_by: str | None = None
    acked_at: str | None = None
    ack_reason: str = ""
    muted_by: str | None = None
    muted_until: str | None = None
    mute_reason: str = ""


class ModelState(msgspec.Struct, frozen=True):
    """All the console shows of one model, with what each dangerous key would do now."""

    model: str
    task: str
    metric: str
    higher_is_better: bool
    champion: str | None
    generation: int
    locks: list[Lock]
    versions: list[VersionRow]
    signals: list[Signal]
    drift: list[DriftColumn]
    drift_window: str
    rollback: Plan
    promote: dict[str, Plan]
    breach: str | None
    breach_since: str | None
    next_check: str | None
    undo_until: str | None = None
    undo_of: str | None = None
    trained_age_days: float | None = None
    incident: int | None = None
    alerts: list[AlertRow] = []
    incident_opened: str | None = None


class EngineState(msgspec.Struct, frozen=True):
    """The engine process. `now` is decision time, `wall` the operator's.

    `lacking` says how little of the disk is free, where that is too little to go on.
    """

    pid: int
    version: str
    boot: str
    started: str
    now: str
    wall: str
    simulated: bool
    state: Literal["ready", "starting", "store_suspect"]
    note: str = ""
    lacking: str = ""


class ServingState(msgspec.Struct, frozen=True):
    """The serving process as the engine last heard from it.

    `stands_in` says who answers for a champion that could not be loaded, and why.
    """

    up: bool
    pid: int | None
    listen: str
    requests: int
    failed: int
    dropped: int
    spool_bytes: int
    rps: float | None
    p50_ms: float | None
    p95_ms: float | None
    rss_mib: float | None = None
    stands_in: str | None = None


class Onlooker(msgspec.Struct, frozen=True):
    """Somebody who follows the engine: the user as the socket proved it, and since when."""

    user: str
    role: Literal["viewer", "operator", "admin"]
    since: str


class State(msgspec.Struct, frozen=True):
    """One snapshot for the console. `you` is the caller as the socket proved it.

    `onlookers` are all who follow the engine, whoever came first at the front; `consoles` is how
    many. `past` is set on that of a past moment, which engine.now says: nothing can be done about
    it. `untold` names the targets that cannot be told what happens, each with the reason.
    """

    workspace: str
    path: str
    you: str
    role: Literal["viewer", "operator", "admin"]
    engine: EngineState
    serving: ServingState
    models: list[ModelState]
    jobs: list[JobRow]
    schedules: list[ScheduleRow]
    events: list[EventRow]
    event_id: int
    consoles: int = 0
    onlookers: list[Onlooker] = []
    past: bool = False
    untold: dict[str, str] = {}
