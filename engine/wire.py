"""The values that cross HTTP, both ways. The console's only door into the engine's package.

Times are ISO 8601 strings in UTC. A number that has no evidence is None, never 0.
"""

from typing import Any, Literal

import msgspec

Scalar = bool | int | float | str | None

# What one request to the prediction port may hold.
MAX_ROWS = 1000
MAX_BODY = 2**20


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong: a stable code, a sentence with the next step, the culprit's name."""

    code: str
    message: str
    field: str | None = None


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The one shape of every error, on both ports and on stderr."""

    error: ErrorBody


# ---------------------------------------------------------------- prediction port


class PredictRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row to predict; `ts` is when the event is, `id` joins the label later."""

    features: dict[str, Scalar]
    id: str | None = None
    ts: str | None = None


class PredictRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /v1/models/{model}/predict."""

    rows: list[PredictRow]


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer: `score` for binary, `probabilities` for multiclass, `value` for regression."""

    id: str | None
    version: str
    prediction_id: str
    score: float | None = None
    probabilities: dict[str, float] | None = None
    value: float | None = None
    decision: bool | str | None = None
    safe_mode: bool = False
    flags: list[str] = []


class PredictAnswer(msgspec.Struct, frozen=True):
    """Answer of predict; `logged` means the records were handed to the kernel."""

    model: str
    generation: int
    logged: bool
    predictions: list[Prediction]


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One outcome; `ts` is when it became known, None for `value` means it will never come."""

    id: str
    ts: str
    value: bool | int | float | str | None


class LabelsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /v1/models/{model}/labels."""

    labels: list[Label]


class LabelsAnswer(msgspec.Struct, frozen=True):
    """Answer of labels, sent after fdatasync."""

    model: str
    accepted: int


# ---------------------------------------------------------------- control socket: the state


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


class EngineState(msgspec.Struct, frozen=True):
    """The engine process. `now` is decision time, `wall` the operator's."""

    pid: int
    version: str
    boot: str
    started: str
    now: str
    wall: str
    simulated: bool
    state: Literal["ready", "starting", "store_suspect"]
    note: str = ""


class ServingState(msgspec.Struct, frozen=True):
    """The serving process as the engine last heard from it."""

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


class State(msgspec.Struct, frozen=True):
    """One snapshot for the console. `you` is the caller as the socket proved it."""

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


# ---------------------------------------------------------------- control socket: commands


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


class Status(msgspec.Struct, frozen=True):
    """`cdml status`: engine and serving in a word, models in a line; `wall` is the time there."""

    engine: str
    serving: str
    models: list[ModelStatus]
    wall: str = ""


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
    """`cdml show`: one version with its lineage and gate report."""

    row: VersionRow
    report: GateReport | None
    manifest: dict[str, Any]


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


class PerformancePeriod(msgspec.Struct, frozen=True):
    """Realised performance of one version over one window of mature rows."""

    version: str
    from_: str = msgspec.field(name="from")
    to: str
    n: int
    metrics: dict[str, float | None]
    kpi: dict[str, float | None]
    low: float | None = None
    high: float | None = None


class Expert(msgspec.Struct, frozen=True):
    """One of the answers that a number is blended from, and its weight."""

    name: str
    value: float | None
    weight: float


class Estimated(msgspec.Struct, frozen=True):
    """What an estimate is made of; `windows` of past errors stand behind its interval.

    `coverage` is how often the truth lay inside the intervals stated before. `missing` says what
    there is not enough of.
    """

    experts: list[Expert]
    coverage: float | None
    windows: int
    missing: str = ""


class Forecast(msgspec.Struct, frozen=True):
    """What a forecast `horizon` windows ahead is about and made of.

    `p_breach` is the chance that a window up to this one is beyond the limit, `breach_expected` the
    end of the first for which it is one half or more. `missing` says why there is no forecast.
    """

    horizon: int
    window_from: str
    window_to: str
    experts: list[Expert]
    coverage: float | None
    windows: int
    limit: float | None = None
    p_breach: float | None = None
    breach_expected: str | None = None
    missing: str = ""


class Calibration(msgspec.Struct, frozen=True):
    """Mean answer and mean outcome of the same rows: what a calibration gap is between."""

    answered: float
    happened: float


class Window(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A metric or KPI as it was served over one window of a fixed grid, with its interval."""

    name: str
    from_: str
    to: str
    value: float | None
    low: float | None
    high: float | None
    n: int


class EstimateRow(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A metric or KPI of the running window before its labels, and what it is made of."""

    name: str
    from_: str
    to: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    made_of: Estimated


class CalibrationRow(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """How a version's answers compare with outcomes: the gap of the means, the mean distance."""

    name: Literal["gap", "error"]
    version: str
    from_: str
    to: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    means: Calibration | None = None


class Performance(msgspec.Struct, frozen=True):
    """`cdml performance`: windows, oldest first; `periods` are those of each look.

    `windows` lie side by side; then the running window's estimates and the champion's calibration.
    """

    model: str
    metric: str
    kind: Literal["realised"]
    periods: list[PerformancePeriod]
    windows: list[Window] = []
    estimates: list[EstimateRow] = []
    calibration: list[CalibrationRow] = []


class ForecastRow(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A metric or KPI of a window to come; `n` is how many past windows are known."""

    name: str
    from_: str
    to: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    made_of: Forecast


class ForecastAnswer(msgspec.Struct, frozen=True):
    """`cdml forecast`: every metric and KPI, the nearest window first; `missing` says why not."""

    model: str
    rows: list[ForecastRow]
    missing: str = ""


class KpiWindow(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A KPI over one window: as it was served, and had never or always been acted."""

    from_: str
    to: str
    n: int
    served: float | None
    never_act: float | None = None
    always_act: float | None = None


class KpiPage(msgspec.Struct, frozen=True):
    """One KPI: what it is, what validation promised of the champion, and what came of it.

    `fault` says why it cannot be measured.
    """

    name: str
    sql: str
    direction: str
    unit: str
    limit: float | None
    promise: float | None
    promised_by: str | None
    windows: list[KpiWindow]
    estimate: EstimateRow | None = None
    fault: str = ""


class KpiAnswer(msgspec.Struct, frozen=True):
    """`cdml kpi`: every KPI of a model."""

    model: str
    kpis: list[KpiPage]


class DriftAnswer(msgspec.Struct, frozen=True):
    """`cdml drift MODEL`: features ranked by damage; `missing` says why there are none.

    `beside` are the version's scores, the labels and the slices. A column drifts where its psi is
    over `limit` and its evidence is enough: on `tested` columns that are still, at most
    `false_alarms` false ones a year are expected, however often one looks.
    """

    model: str
    version: str | None
    reference: str
    current: str
    columns: list[DriftColumn]
    missing: str = ""
    beside: list[DriftColumn] = []
    limit: float | None = None
    false_alarms: float | None = None
    tested: int = 0
    epsilon: float = 1e-4


class QualityRow(msgspec.Struct, frozen=True, kw_only=True):
    """One check of a look's rows or labels, of all of them or of one column.

    A share is in [0, 1]. `limit` is the most, with `at_least` the least, that the value may be;
    None where no value is wrong by itself. `missing` says why there is no value.
    """

    name: str
    check: str
    column: str | None
    value: float | None
    unit: Literal["share", "s"]
    n: int
    expected: float | None
    limit: float | None
    at_least: bool
    wrong: bool
    says: str
    found: str
    missing: str
    next: str
    from_: str = msgspec.field(name="from")
    to: str


class QualityAnswer(msgspec.Struct, frozen=True):
    """`cdml quality`: the newest look, what is wrong first; `missing` says why there is none."""

    model: str
    version: str | None
    until: str
    rows: list[QualityRow]
    missing: str = ""


class ClientRow(msgspec.Struct, frozen=True):
    """One client of a model: its newest distinct rows, and the signs of an attack that stand.

    `independence` is how unrelated its columns are, 1 as if drawn at random; `usual_hour` is the
    median of its hours before the last. Rates are None before enough rows came.
    """

    client: str
    total: int
    distinct: int
    since: str | None
    until: str | None
    near_rate: float | None
    crowded_rate: float | None
    flip_rate: float | None
    independence: float | None
    out_of_range: float | None
    last_hour: int
    usual_hour: float | None
    signs: list[str]
    suspected_since: str | None = None


class ClientsAnswer(msgspec.Struct, frozen=True):
    """`cdml clients`: who asked lately, suspects first; `missing` says why rates are absent."""

    model: str
    clients: list[ClientRow]
    missing: str = ""


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
    """Who served a model at a moment, since when, and by which entry."""

    model: str
    champion: str | None
    canary: str | None
    canary_share_pct: float
    shadow: str | None
    generation: int
    since: str
    audit_seq: int


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


class Lineage(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """`cdml lineage`: what a version was made of, compared with, and what came of it.

    `without` are intervals left out as tainted; `led` are the audit entries that made it champion,
    `measured` the versions judged against it, `children` those that it was the parent of. `origin`
    is what it takes to make it again.
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


class ModelReport(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """`cdml report`: a model between two moments as one self-contained HTML page."""

    model: str
    from_: str
    to: str
    html: str


class AlertList(msgspec.Struct, frozen=True):
    """`cdml alerts`: worst first, those that are over last; `promise` is what they are worth."""

    alerts: list[AlertRow]
    promise: dict[str, str]


class AlertRequest(msgspec.Struct, frozen=True, rename={"for_": "for"}):
    """Body of ack and mute; `for_` is how long a mute lasts, like 12h."""

    idempotency_key: str
    for_: str | None = None
    reason: str = ""


class AlertAnswer(msgspec.Struct, frozen=True):
    """An alert after ack or mute; `changed` is False where it was so already."""

    alert: AlertRow
    audit_seq: int
    changed: bool
    message: str = ""


class ReplayedAlert(msgspec.Struct, frozen=True):
    """An alert that the present rules would have raised.

    `outcome` of a warning: early by `lead_days`, late (the breach stood already), false (no breach
    followed), open (it still stands). Of a breach itself: breach.
    """

    kind: str
    name: str
    version: str
    severity: Literal["WARN", "CRIT"]
    text: str
    since: str
    opened: str
    ended: str | None
    outcome: Literal["breach", "early", "late", "false", "open"]
    lead_days: float | None = None


class ReplayedKind(msgspec.Struct, frozen=True):
    """What the alerts of one kind would have been worth; `lead_days` is the mean of early ones.

    `told` is how often people would have been told; `stood` the share of looks with any of them.
    """

    kind: str
    raised: int
    a_year: float | None
    told: int
    stood: float
    early: int
    late: int
    false: int
    lead_days: float | None


class AlertReplay(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """`cdml alerts MODEL --replay`: today's rules on the stored looks; nothing was changed."""

    model: str
    from_: str | None
    to: str | None
    looks: int
    alerts: list[ReplayedAlert]
    kinds: list[ReplayedKind]
    promise: str
    missing: str = ""


class ClockRequest(msgspec.Struct, frozen=True):
    """Move a simulated clock; answered when everything due by then is done."""

    now: str


class ClockAnswer(msgspec.Struct, frozen=True):
    """The clock after the move."""

    now: str
