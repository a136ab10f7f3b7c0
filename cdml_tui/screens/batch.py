"""One delivered file: what was found of it, which rows, and what was trained on it."""

from dataclasses import dataclass

from cdml_tui.client import Client, ConsoleError
from cdml_tui.panes.batches import rows_of, style_of, taint_of, word_of
from cdml_tui.panes.facts import facts
from cdml_tui.panes.figures import clock
from cdml_tui.panes.line import Line, line, title
from cdml_tui.panes.numbers import told
from cdml_tui.screens.deciding import decides
from cdml_tui.screens.page import Body, Page
from cdml_tui.sheet import Sheet, Subject
from cdml_tui.state import Screen, decision_now
from engine import wire

_LOOKED = 1000
_UNKNOWN = 404


@dataclass(frozen=True, slots=True)
class BatchSeen:
    """A batch, what it touched where it was taken in, and what is not trusted."""

    row: wire.BatchRow | None
    trace: wire.BatchTrace | None
    taints: tuple[wire.Taint, ...]


def _ask(client: Client, subject: Subject) -> BatchSeen:
    model = subject.model or ""
    rows = client.batches(model, _LOOKED).batches
    row = next((b for b in rows if b.batch == subject.id), None)
    return BatchSeen(row, _trace(client, model, subject.id), tuple(client.taints(model)))


def _trace(client: Client, model: str, batch: str) -> wire.BatchTrace | None:
    try:
        return client.audit(1, wire.AuditQuestion(model=model, batch=batch)).batch
    except ConsoleError as no:
        if no.status != _UNKNOWN:
            raise
    return None  # it was never taken in


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    seen: BatchSeen = sheet.value
    if seen.row is None:
        return Body(told(f"It is not among the newest {_LOOKED} any more.", width, style="dim"))
    row, taint = seen.row, taint_of(seen.row, seen.taints)
    word = word_of(row, taint)
    received = clock(row.received, decision_now(screen))
    rows_taken = f", {row.rows} rows" if row.rows else ""
    head = line((f" {word}", style_of(word)), f"  received {received}{rows_taken}")
    rows = facts(
        (
            ("file", f"{row.file}, a file of {row.kind}"),
            ("rows of", rows_of(row)),
            *_touched(seen.trace),
            *_tainted(sheet, taint),
            *(("do", command) for command in row.commands),
        ),
        width,
    )
    return Body([*rows, *_found(row, width)], head=(head,))


def _touched(trace: wire.BatchTrace | None) -> tuple[tuple[str, str], ...]:
    if trace is None:
        return (("trained", "nothing: it was not taken in as a batch of rows"),)
    return (
        ("trained", ", ".join(trace.trained) or "no version was trained on it"),
        ("judged", ", ".join(trace.judged) or "no version was judged on it"),
    )


def _tainted(sheet: Sheet, taint: wire.Taint | None) -> tuple[tuple[str, str], ...]:
    if taint is None:
        return ()
    by = f"taint {taint.number} by {taint.owner}: {taint.reason}"
    reach = ", ".join(taint.touches) or "no version"
    lift = f"cdml taint {sheet.subject.model} --lift {taint.number}"
    return (("tainted", by), ("reaches", reach), ("lift", lift))


def _found(row: wire.BatchRow, width: int) -> list[Line]:
    """Draw what the checks found; sentences that no check gave stand for themselves."""
    head = title(f"Found, {len(row.findings) or len(row.reasons)}", width)
    if not row.reasons and not row.findings:
        return [head, *told("Nothing was found wrong with it.", width, style="dim")]
    if not row.findings:
        return [head, *(one for text in row.reasons for one in facts((("why", text),), width))]
    lines = [head]
    for found in row.findings:
        grave = "REFUSES" if found.refuses else "told"
        column = f" in {found.column}" if found.column else ""
        lines += facts(
            (
                (grave, f"{found.check}{column}: {found.said}"),
                ("next", found.next),
                ("rows", ", ".join(found.rows)),
            ),
            width,
        )
    return lines


PAGE = Page(
    "batch",
    title=lambda subject: f"Batch {subject.id} of {subject.model}",
    draw=_draw,
    ask=_ask,
    keys=("accept", "discard", "taint"),
    changes=decides(lambda sheet: (sheet.value.row, sheet.value.taints)),
)
