"""What a replay came to: versions, champions, and each month's figures as the clients saw them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import numpy as np

from engine.artifacts import Artifacts, Loaded
from engine.clock import iso
from engine.ledger.ledger import Ledger
from engine.replay import Answered, Replay
from engine.settings import load
from engine.stats import performance
from engine.store import excerpts, kpis
from engine.wire import AuditEntry
from engine.workspace import Workspace

DIGITS = 6


def summary(
    replay: Replay, workspace: Workspace, start: datetime, end: datetime, seed: int
) -> dict[str, Any]:
    """Return the summary of a finished replay; times are simulated, all from answers and labels."""
    source = replay.source
    model = source.model
    versions = replay.engine.get(f"/api/v1/models/{model}/versions")
    events = replay.engine.get("/api/v1/events/recent?limit=1000")
    ledger = Ledger(workspace.ledger, readonly=True)
    try:
        moves = [e for e in ledger.audit_entries(limit=10_000) if e.model == model]
        first = ledger.version(model, "v1").manifest or ""
    finally:
        ledger.close()
    frozen = Artifacts(workspace.artifacts, workspace.keys).load(first)
    tally = replay.tally
    return {
        "type": "summary",
        "seed": seed,
        "days": (end - start.replace(hour=0)).days,
        "from": iso(start.replace(hour=0)),
        "to": iso(end),
        "versions": [
            {k: v[k] for k in ("version", "trained_from", "trained_to", "verdict", "fitness")}
            for v in reversed(versions)
        ],
        "champions": _champions(moves, end),
        "months": _months(replay, workspace, frozen, start, end),
        "promotions": [_move(e) for e in moves if e.action == "promote"],
        "rollbacks": [_move(e) for e in moves if e.action == "rollback"],
        "alerts": [
            {k: e[k] for k in ("time", "level", "text")}
            for e in events
            if e["kind"] == "alert" and e["level"] in ("WARN", "CRIT")
        ],
        "rows_predicted": len(tally.answers),
        "failed_predictions": tally.failed,
        "labels_joined": sum(1 for name in tally.labels if name in tally.answers),
    }


def _move(entry: AuditEntry) -> dict[str, Any]:
    return {
        "time": entry.time,
        "from": entry.from_version,
        "to": entry.to_version,
        "by": entry.actor,
        "reason": entry.reason,
    }


def _champions(moves: list[AuditEntry], end: datetime) -> list[dict[str, Any]]:
    changed = [e for e in moves if e.from_version != e.to_version and e.to_version]
    ends = [*(e.time for e in changed[1:]), iso(end)]
    return [
        {"version": e.to_version, "from": e.time, "to": until}
        for e, until in zip(changed, ends, strict=True)
    ]


def _months(
    replay: Replay, workspace: Workspace, frozen: Loaded, start: datetime, end: datetime
) -> list[dict[str, Any]]:
    source = replay.source
    sql = load(workspace.config).models[source.model].kpi["cost"].sql
    columns = [source.id, *source.features]
    rows = excerpts.happened(source.path, columns, source.time, start, end)
    features = {str(r[0]): r[1:] for r in rows}
    found: dict[str, list[Answered]] = {}
    for answer in replay.tally.answers.values():
        if answer.id in replay.tally.labels:
            found.setdefault(f"{answer.time:%Y-%m}", []).append(answer)
    return [
        {"month": month, **_figures(replay, sql, frozen, features, found[month])}
        for month in sorted(found)
    ]


def _figures(
    replay: Replay,
    sql: str,
    frozen: Loaded,
    features: dict[str, tuple[Any, ...]],
    answers: list[Answered],
) -> dict[str, Any]:
    """Compare the answers of a month with v1's to the same rows, and with never warning."""
    labels = np.array([replay.tally.labels[a.id] for a in answers])
    names = replay.source.features
    table = {n: [features[a.id][at] for a in answers] for at, n in enumerate(names)}
    scores = np.array([a.score for a in answers])
    old = frozen.answers(frozen.matrix(table))[:, 0]
    return {
        "n": len(answers),
        "champion": _triple(sql, labels, scores, [a.decision for a in answers]),
        "frozen": _triple(sql, labels, old, old >= frozen.manifest.threshold),
        "never": {"cost": _cost(sql, labels, scores, np.zeros(len(labels), bool))},
    }


def _triple(sql: str, labels: Any, scores: Any, decisions: Iterable[bool]) -> dict[str, Any]:
    answers = scores.reshape(-1, 1)
    return {
        "log_loss": _rounded(performance.value("log_loss", "binary", labels, answers)),
        "auc": _rounded(performance.value("roc_auc_score", "binary", labels, answers)),
        "cost": _cost(sql, labels, scores, decisions),
    }


def _cost(sql: str, labels: Any, scores: Any, decisions: Iterable[bool]) -> float | None:
    facts = {"score": scores, "label": labels}
    return _rounded(kpis.of_rows(sql, facts, np.asarray(list(decisions), bool)))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def text(found: dict[str, Any]) -> str:
    """Return a summary for people."""
    head = (
        f"{found['days']} days, {found['rows_predicted']} rows predicted, "
        f"{found['failed_predictions']} failed, {found['labels_joined']} labels joined, "
        f"{found['wall_s']} s"
    )
    lines = [head, *map(_version_line, found["versions"])]
    lines += [
        f"  champion {c['version']:<4} {c['from'][:16]}..{c['to'][:16]}" for c in found["champions"]
    ]
    lines.append("  month     n      log loss now / frozen    cost now / frozen / never")
    return "\n".join([*lines, *map(_month_line, found["months"])])


def _version_line(v: dict[str, Any]) -> str:
    span = f"{(v['trained_from'] or '--')[:10]}..{(v['trained_to'] or '--')[:10]}"
    return f"  {v['version']:<4} {v['fitness']:<13} gate {v['verdict'] or '--':<13} {span}"


def _month_line(m: dict[str, Any]) -> str:
    now, old = m["champion"], m["frozen"]
    return (
        f"  {m['month']} {m['n']:>6}   {now['log_loss']:.4f} / {old['log_loss']:.4f}"
        f"          {now['cost']:.4f} / {old['cost']:.4f} / {m['never']['cost']:.4f}"
    )
