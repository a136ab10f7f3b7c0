"""`cdml drift MODEL COLUMN`: one column, its verdict, its references, its bars then and now."""

import json
from difflib import get_close_matches
from itertools import pairwise

import msgspec

from cdml_tui.client import ConsoleError
from cdml_tui.output import line, table
from cdml_tui.verbs.session import Session
from engine.wire import ColumnShape, DriftAnswer, DriftColumn

_HEADS = ("AGAINST", "PSI", "JS", "KS", "WASSERSTEIN", "N", "OF")


def one_column(session: Session, answer: DriftAnswer, name: str) -> int:
    """Tell of one column what the console's page of it shows."""
    column = _named(answer, name)
    shape = session.client.shape(answer.model, column.part, column.column)
    if session.json:
        both = {"column": msgspec.to_builtins(column), "shape": msgspec.to_builtins(shape)}
        line(json.dumps(both, ensure_ascii=False, allow_nan=False))
        return 0
    line(f"{answer.model} {answer.version or ''}, {column.column}: {_verdict(answer, column)}")
    nulls = column.null_rate_reference * 100, column.null_rate_current * 100
    line(f"missing: {nulls[0]:.1f}% then, {nulls[1]:.1f}% now")
    if column.mean_current is not None and column.mean_reference is not None:
        line(f"mean: {column.mean_reference:.4g} then, {column.mean_current:.4g} now")
    line("")
    rows = [
        [r.against, r.psi, r.js, r.ks, r.wasserstein, r.n, r.missing or r.of]
        for r in column.references
    ]
    table(_HEADS, rows)
    line("")
    _bars(shape)
    return 0


def _named(answer: DriftAnswer, name: str) -> DriftColumn:
    columns = [*answer.columns, *answer.beside]
    found = next((c for c in columns if c.column == name), None)
    if found is not None:
        return found
    close = get_close_matches(name, [c.column for c in columns], n=1, cutoff=0.4)
    hint = f'The nearest is "{close[0]}".' if close else f"cdml drift {answer.model} lists them."
    if not columns:
        why = answer.missing or "nothing is measured yet"
        hint = f"{why[0].upper()}{why[1:]}."
    raise ConsoleError(
        "unknown_column",
        f'Looking for column "{name}" in the newest look at {answer.model}: it is not there. '
        f"{hint}",
        "column",
        404,
    )


def _verdict(answer: DriftAnswer, c: DriftColumn) -> str:
    if c.psi is None:
        return c.missing or "not measured"
    limit = f"limit {answer.limit:g}" if answer.limit is not None else "no limit"
    sizes = f"n {c.n_current} now, {c.n_reference} then"
    since = f" since {c.evidence_since}" if c.evidence_since else ""
    word = f"drifts{since}" if c.drifted else "does not drift"
    return f"{word}, psi {c.psi:.3g}, {limit}, {sizes}"


def _bars(shape: ColumnShape) -> None:
    """Write where the values are, of the reference and of now, in shares of each."""
    if shape.missing or not shape.reference:
        line(shape.missing or "no bars are known of it")
        return
    names = shape.names or _ranges(shape.edges)
    then, now = (max(1, sum(counts)) for counts in (shape.reference, shape.current))
    rows = [
        [name, f"{a / then:.1%}", f"{b / now:.1%}", a, b]
        for name, a, b in zip(names, shape.reference, shape.current, strict=False)
    ]
    table(("VALUES", "THEN", "NOW", "N THEN", "N NOW"), rows)
    line(f"then: {shape.reference_of}; now: {shape.current_of}")


def _ranges(edges: list[float]) -> list[str]:
    inner = [f"{a:g} .. {b:g}" for a, b in pairwise(edges)]
    return [f"below {edges[0]:g}", *inner, f"from {edges[-1]:g}"] if edges else ["all"]
