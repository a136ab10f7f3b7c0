"""One incident: what stands, what can be done, and the timeline of what was told and done."""

from datetime import datetime
from functools import lru_cache

from cdml_tui.panes.facts import facts
from cdml_tui.panes.figures import clock, span_of
from cdml_tui.panes.line import Line, Span, Style, fit, inert, line, pad, title, wrapped
from cdml_tui.panes.plan import checks
from cdml_tui.screens.page import Body, Page
from cdml_tui.sheet import Sheet
from cdml_tui.state import Intent, Screen, decision_now, moment
from engine import wire

_KINDS: dict[str, Style] = {"alert": "bad", "action": "bold", "evidence": "good", "note": "key"}


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    page: wire.IncidentPage = sheet.value
    rows = _facts(screen, page.row, width)
    rows.append(title(f"Timeline, {len(page.timeline)}", width))
    now = decision_now(screen)
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0) if now else None
    for note in page.timeline:
        rows += _noted(note, noon, width)
    return Body(rows, head=(_state(screen, page.row, width),))


def _state(screen: Screen, row: wire.IncidentRow, width: int) -> Line:
    opened, closed = moment(row.opened), moment(row.closed)
    until = closed or decision_now(screen)
    stood = span_of((until - opened).total_seconds()) if opened and until else "?"
    now = decision_now(screen)
    word: tuple[str, Style] = (" closed", "dim") if row.closed else (" OPEN", "alarm")
    when = f"  {inert(row.model)}, opened {clock(row.opened, now)}, stood {stood}"
    ended = f", closed {clock(row.closed, now)}" if row.closed else ""
    return fit(line(word, when + ended), width)


def _facts(screen: Screen, row: wire.IncidentRow, width: int) -> list[Line]:
    number = row.number
    return facts(
        (
            ("what", row.title),
            ("champion", f"{row.version or 'none'} when it began{_now(screen, row)}"),
            *(() if row.closed else _plan(screen, row)),
            ("commands", f'cdml incident {number} --note "..."'),
            (
                "" if row.closed else "close",
                "" if row.closed else f"cdml incident {number} --close",
            ),
            ("report", f"cdml incident {number} --report incident-{number}.md"),
        ),
        width,
    )


def _model(screen: Screen, row: wire.IncidentRow) -> wire.ModelState | None:
    models = screen.snapshot.models if screen.snapshot else []
    return next((m for m in models if m.model == row.model), None)


def _now(screen: Screen, row: wire.IncidentRow) -> str:
    model = _model(screen, row)
    if model is None:
        return ""
    locks = ", ".join(lock.kind for lock in model.locks)
    return f", {model.champion or 'none'} now{f'; {locks} set' if locks else ''}"


def _plan(screen: Screen, row: wire.IncidentRow) -> list[tuple[str, str]]:
    """Say what the way back would be now; the key is on the base screen."""
    model = _model(screen, row)
    if model is None:
        return []
    plan = model.rollback
    if not plan.ready or plan.to is None:
        return [("plan", f"no way back by one key: {plan.why or 'none is known'}")]
    way = f"R on the base screen: {plan.from_version} → {plan.to}, READY; {plan.same_as}"
    known = [("plan", way), ("measured", plan.measured)]
    return known + ([("checks", checks(plan))] if plan.checks else [])


# An incident may have thousands of entries, and each key press draws the page anew.
@lru_cache(maxsize=4096)
def _noted(note: wire.IncidentNote, now: datetime | None, width: int) -> tuple[Line, ...]:
    """Draw one entry; in a narrow terminal what it says goes beneath who said it."""
    when = clock(note.time, now)
    start = line(
        (f" {pad(when, 11)} ", "dim"),
        (pad(note.kind, 8) + " ", _KINDS.get(note.kind, "")),
        (pad(inert(note.author), 12) + " ", "dim"),
    )
    indent = 35 if width >= 76 else 3
    texts = wrapped(inert(note.text), width - indent - 1)
    if width < 76:
        return (fit(start, width), *(line(" " * indent + one) for one in texts))
    first, rest = (texts[0], texts[1:]) if texts else ("", [])
    return ((*start, Span(first)), *(line(" " * indent + one) for one in rest))


def _note(_: Screen, sheet: Sheet) -> Intent | str:
    row = sheet.value.row
    return Intent(
        "annotate",
        row.model,
        None,
        None,
        about=str(row.number),
        effect=(("incident", row.title), ("stays", "a note is never taken back; it is signed")),
        same_as=f'cdml incident {row.number} --note "..."',
        wants=("note",),
    )


def _report(_: Screen, sheet: Sheet) -> Intent | str:
    row = sheet.value.row
    same = f"cdml incident {row.number} --report -"
    return Intent("report", row.model, None, None, about=str(row.number), same_as=same)


PAGE = Page(
    "incident",
    title=lambda subject: f"Incident {subject.id}",
    draw=_draw,
    ask=lambda client, subject: client.incident(int(subject.id)),
    keys=("annotate", "report"),
    changes={"annotate": _note, "report": _report},
)
