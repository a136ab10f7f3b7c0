"""`cdml drift MODEL`: the columns ranked by damage, each number with its reference and bins."""

from cdml_tui.output import json_line, line, table
from cdml_tui.verbs.drift_column import one_column
from cdml_tui.verbs.session import Session, usage
from engine.wire import DriftAnswer, DriftColumn, DriftReference

_HEADS = (
    *("COLUMN", "DAMAGE", "PSI", "SEASON", "RECENT", "JS", "KS", "WASSERSTEIN"),
    *("NULL REF", "NULL NOW", "UNSEEN", "N REF", "N NOW", "EVIDENCE", "DRIFTS"),
)


def drift(session: Session) -> int:
    """List the columns by what their drift may cost, scores, labels and slices; or tell of one."""
    model, named = session.model_and(session.args.words, lambda rest: len(rest) <= 1)
    if len(named) > 1:
        raise usage("write cdml drift [MODEL] [COLUMN].", "column")
    answer = session.client.drift(model)
    if named:
        return one_column(session, answer, named[0])
    if session.json:
        json_line(answer)
        return 0
    if answer.missing:
        line(f"{answer.model}: {answer.missing}")
        return 0
    line(f"{answer.model} {answer.version or ''}: {answer.current} against {answer.reference}")
    table(_HEADS, [_row(c) for c in answer.columns])
    if answer.beside:
        line("")
        table(_HEADS, [_row(c) for c in answer.beside])
    line("")
    for text in _notes(answer):
        line(text)
    return 0


def _row(c: DriftColumn) -> list[object]:
    by = {r.against: r for r in c.references}
    unseen = sum(c.unseen_current.values()) if c.kind == "categorical" else None
    return [
        *(c.column, c.damage, c.psi, _psi(by.get("season")), _psi(by.get("recent"))),
        *(c.js, c.ks, c.wasserstein, c.null_rate_reference, c.null_rate_current, unseen),
        *(c.n_reference, c.n_current, c.evidence, _verdict(c)),
    ]


def _psi(reference: DriftReference | None) -> float | None:
    return reference.psi if reference is not None else None


def _verdict(c: DriftColumn) -> str:
    if c.missing:
        return c.missing
    if c.evidence is None and c.evidence_needed is not None:
        return "not enough full days yet"
    since = f", since {c.evidence_since}" if c.evidence_since else ""
    return f"yes{since}" if c.drifted else "no"


def _notes(answer: DriftAnswer) -> list[str]:
    """Say what each number is made of, and what the verdict promises."""
    columns = [*answer.columns, *answer.beside]
    of: dict[str, list[str]] = {}
    missing: dict[str, str] = {}
    for reference in (r for c in columns for r in c.references):
        if reference.missing:
            missing.setdefault(reference.against, reference.missing)
        elif reference.of not in of.setdefault(reference.against, []):
            of[reference.against].append(reference.of)
    fine = max((c.ks_bins for c in columns), default=0)
    least = f"{answer.epsilon:g}"
    notes = [
        f"psi, js: on deciles or categories of the training rows; least share {least} in psi.",
        f"ks: from {fine} bins, short by at most one bin's share.",
        "wasserstein: in the column's unit, between 0.5 % and 99.5 % of the training rows.",
        "damage: what the column is worth to the model, in its metric's unit, times psi.",
    ]
    for against, named in of.items():
        notes.append(f"{against}: {'; '.join(named)}")
    for against, why in missing.items():
        if against not in of:
            notes.append(f"{against}: {why}")
    needed = next((c.evidence_needed for c in columns if c.evidence_needed), None)
    enough = "" if needed is None else f" of {needed:g}"
    if answer.limit is not None and answer.false_alarms is not None:
        notes.append(
            f"drifts: psi over {answer.limit:g} and evidence{enough}. On {answer.tested} still "
            f"columns at most {answer.false_alarms:g} false alarms a year, however often you look."
        )
    return notes
