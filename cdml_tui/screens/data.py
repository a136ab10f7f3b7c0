"""What was delivered for a model: what waits for a person first, then the newest."""

import msgspec

from cdml_tui.client import Client
from cdml_tui.panes.batches import Delivered, columns
from cdml_tui.panes.columns import heading, row_line
from cdml_tui.panes.facts import facts
from cdml_tui.panes.line import Line, Style, fit, inert, line
from cdml_tui.panes.numbers import told
from cdml_tui.screens.deciding import decides
from cdml_tui.screens.page import Body, Page, Rows, foot_of
from cdml_tui.sheet import Sheet, Subject
from cdml_tui.state import Screen, decision_now
from engine import wire

_SHOWN = 1000


def _ask(client: Client, subject: Subject) -> Delivered:
    model = subject.model or ""
    answer = client.batches(model, _SHOWN)
    first = sorted(answer.batches, key=lambda batch: batch.verdict != "quarantined")
    answer = msgspec.structs.replace(answer, batches=first)
    return Delivered(answer, tuple(client.taints(model)))


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    found: Delivered = sheet.value
    batches = found.answer.batches
    if not batches:
        why = (
            f"Nothing was delivered for {found.answer.model} yet. Hand a file over with cdml "
            f"ingest {found.answer.model} FILE, drop it into its folder, or set a source."
        )
        return Body(told(why, width, style="dim"))
    shown = columns(decision_now(screen), found.taints)
    return Body(
        Rows(len(batches), lambda i: row_line(shown, batches[i], width)),
        head=(_said(found, width), heading(shown, width)),
        selects=True,
        foot=_foot(screen, batches[min(sheet.cursor, len(batches) - 1)], width),
        names=[f"{b.batch} {b.received}" for b in batches],
    )


def _foot(screen: Screen, batch: wire.BatchRow, width: int) -> tuple[Line, ...]:
    """Draw what was found of the batch stood on; Enter shows what was trained on it."""
    reasons = batch.reasons or ["nothing was found wrong with it"]
    known = (
        ("file", f"{batch.file}, a file of {batch.kind}"),
        *(("found", reason) for reason in reasons),
        *(("do", command) for command in batch.commands),
    )
    rows = min(len(reasons) * 2 + 4, screen.height // 3)
    return foot_of(screen, f"Batch {inert(batch.batch)}", facts(known, width), rows)


def _said(found: Delivered, width: int) -> Line:
    """Say how many there are, and how many wait for a person."""
    answer = found.answer
    left = f", the newest {len(answer.batches)} shown" if answer.total > len(answer.batches) else ""
    tainted = sum(1 for t in found.taints if t.batch and not t.lifted)
    waiting: tuple[str, Style] = (" none is set aside", "dim")
    if answer.waiting:
        waiting = (f" {answer.waiting} set aside, waiting for a person", "alarm")
    rest = f", {tainted} tainted; {answer.total} delivered{left}"
    return fit(line(waiting, rest), width)


def _on(sheet: Sheet) -> tuple[wire.BatchRow | None, tuple[wire.Taint, ...]]:
    if sheet.value is None or not sheet.value.answer.batches:
        return None, ()
    return sheet.value.answer.batches[sheet.cursor], sheet.value.taints


def _opens(_: Screen, sheet: Sheet) -> Subject | None:
    batch = _on(sheet)[0]
    return None if batch is None else Subject("batch", sheet.subject.model, id=batch.batch)


PAGE = Page(
    "data",
    title=lambda subject: f"Batches of {subject.model}",
    draw=_draw,
    ask=_ask,
    opens=_opens,
    keys=("accept", "discard", "taint"),
    changes=decides(_on),
)
