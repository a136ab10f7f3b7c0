"""Every number that Prometheus is shown: name, type, labels, by which process. A contract.

Both processes build what they show from this list, and the operators' document is written from it.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Named:
    """One number as it is shown; seconds and bytes are in its name, others count."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    by: Literal["service", "engine", "both"]
    says: str


def unit_of(name: str) -> str:
    """Return the unit that a name ends with, as OpenTelemetry writes it; empty for a count."""
    return {"seconds": "s", "bytes": "By"}.get(name.removesuffix("_total").rpartition("_")[2], "")


_MODEL = ("model",)

PREDICTIONS = Named(
    "cdml_predictions_total", "counter", ("model", "version", "role", "code"), "service",
    "Rows answered, and requests refused (without version and role), by HTTP status.",
)  # fmt: skip
SECONDS = Named(
    "cdml_prediction_seconds", "histogram", ("model", "version"), "service",
    "From the request's last byte to its answer.",
)  # fmt: skip
FLAGS = Named(
    "cdml_contract_flags_total", "counter", ("model", "column", "kind"), "service",
    "Features answered though unusual: unseen, range or null.",
)  # fmt: skip
MEMORY = Named(
    "cdml_version_bytes", "gauge", ("model", "version"), "service",
    "Memory of a loaded version, in all workers together.",
)  # fmt: skip
SPOOL = Named(
    "cdml_spool_bytes", "gauge", (), "service",
    "Size of the spool folder: answers and labels on their way, loaded ones stay for a day.",
)  # fmt: skip
WAITING = Named(
    "cdml_spool_waiting_bytes", "gauge", (), "engine",
    "What of the spool is not loaded into the metric store yet.",
)  # fmt: skip
DROPPED = Named(
    "cdml_log_dropped_total", "counter", (), "service", "Answers that could not be logged."
)
TRACES = Named(
    "cdml_traces_dropped_total", "counter", (), "service", "Spans that no collector took."
)
STOOD = Named(
    "cdml_loop_stalled_seconds_total", "counter", ("loop",), "both",
    "How long a loop stood still, 0.5 s and more at a time: serving answers predictions, control "
    "the socket, beat looks after all else once a second and pauses for a large file.",
)  # fmt: skip
GENERATION = Named(
    "cdml_generation", "gauge", _MODEL, "both",
    "Role changes of a model; apart for long in engine and service, a change is not obeyed.",
)  # fmt: skip
READY = Named(
    "cdml_rollback_ready", "gauge", _MODEL, "engine",
    "Whether pressing the key now would roll back: 1 or 0.",
)  # fmt: skip
ROLLBACKS = Named(
    "cdml_rollbacks_total", "counter", ("model", "cause"), "engine",
    "Rollbacks in the audit, by the kind of actor: human, guardrail or engine.",
)  # fmt: skip
FIRING = Named(
    "cdml_alerts_firing", "gauge", ("model", "kind"), "engine",
    "Alerts that fire, not acknowledged and not muted.",
)  # fmt: skip
DRIFT = Named(
    "cdml_drift_score", "gauge", ("model", "column", "method"), "engine",
    "Distance (psi, js, ks, wasserstein_normed) of a column from the champion's training rows; "
    "(others): the worst of them.",
)  # fmt: skip
PERFORMANCE = Named(
    "cdml_performance", "gauge", ("model", "version", "metric", "kind"), "engine",
    "A metric in the newest look: realised, estimated, or forecast for the next window.",
)  # fmt: skip
KPI = Named(
    "cdml_kpi", "gauge", ("model", "version", "kpi"), "engine",
    "A business number in the newest look: as served, and of never or always acting.",
)  # fmt: skip
RUNS = Named(
    "cdml_job_runs_total", "counter", ("model", "job", "outcome"), "engine",
    "Runs that ended, as recorded.",
)  # fmt: skip
TOOK = Named(
    "cdml_job_seconds", "histogram", ("model", "job"), "engine", "How long runs took."
)  # fmt: skip
LOOKED = Named(
    "cdml_look_timestamp_seconds", "gauge", _MODEL, "engine",
    "When the model was last looked at: how old all of its measures are.",
)  # fmt: skip
DUE = Named(
    "cdml_job_due_timestamp_seconds", "gauge", ("model", "job"), "engine",
    "When a schedule is due next; long past, it does not run.",
)  # fmt: skip
LOCKED = Named(
    "cdml_lock_timestamp_seconds", "gauge", ("model", "lock"), "engine",
    "Since when a hold, freeze or pin stands; (all) is a freeze of every model.",
)  # fmt: skip
MESSAGES = Named(
    "cdml_messages_total", "counter", ("target", "outcome"), "engine",
    "Messages to a target of [notify] that were sent or failed, and facts dropped.",
)  # fmt: skip
TARGET = Named(
    "cdml_target_failing", "gauge", ("target",), "engine",
    "Whether the last message to a target of [notify] could not be told: 1 or 0.",
)  # fmt: skip
BACKUP = Named(
    "cdml_backup_timestamp_seconds", "gauge", (), "engine",
    "When the last backup was made; absent where there is none.",
)  # fmt: skip
DISK = Named(
    "cdml_disk_free_bytes", "gauge", (), "engine", "Free space on the disk of the workspace."
)
DISK_SIZE = Named(
    "cdml_disk_size_bytes", "gauge", (), "engine", "Size of the disk of the workspace."
)
COMPLETE = Named(
    "cdml_store_complete", "gauge", (), "engine",
    "Whether the metric store has all that the ledger knows of: 1 or 0.",
)  # fmt: skip
AUDIT = Named(
    "cdml_audit_entries", "gauge", (), "engine",
    "Length of the audit chain: it never shrinks, but where the ledger was replaced.",
)  # fmt: skip
BUILD = Named(
    "cdml_build_info", "gauge", ("version",), "engine", "The version of cdml, as a label of 1."
)

ALL = (
    PREDICTIONS, SECONDS, FLAGS, MEMORY, SPOOL, DROPPED, TRACES, STOOD, GENERATION, READY,
    ROLLBACKS, FIRING, DRIFT, PERFORMANCE, KPI, LOOKED, RUNS, TOOK, DUE, LOCKED, WAITING,
    MESSAGES, TARGET, BACKUP, DISK, DISK_SIZE, COMPLETE, AUDIT, BUILD,
)  # fmt: skip
