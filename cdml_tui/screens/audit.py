"""Who did what, when, from where and why; and whether the chain of it all is whole."""

from datetime import datetime

from cdml_tui.client import Client
from cdml_tui.panes.columns import Column, heading, row_line
from cdml_tui.panes.facts import facts
from cdml_tui.panes.figures import NONE, clock
from cdml_tui.panes.line import Line, fit, inert, line
from cdml_tui.panes.numbers import told
from cdml_tui.screens.page import Body, Page, Rows, foot_of, of_nothing
from cdml_tui.sheet import Sheet, Subject
from cdml_tui.state import Screen, wall
from engine import wire

_SHOWN = 1000
_FOOT = 5
_NONE = "Nothing was recorded yet: the first change of who serves, of a lock or a taint will be."


def _ask(client: Client, _: Subject) -> wire.AuditAnswer:
    answer = client.audit(_SHOWN, wire.AuditQuestion(verify=True))
    return wire.AuditAnswer(
        answer.entries[::-1], answer.verified, answer.head, answer.fault, answer.served
    )


def _columns(now: datetime | None) -> tuple[Column[wire.AuditEntry], ...]:
    return (
        Column("SEQ", 5, lambda e: str(e.seq), right=True),
        Column("DONE", 11, lambda e: clock(e.wall, now)),
        Column("WHO", 10, lambda e: (e.actor, "bold" if human(e) else "")),
        Column("DID", 10, lambda e: (e.action, "key" if human(e) else "")),
        Column("MODEL", 8, lambda e: e.model or NONE, least=100),
        Column("ABOUT", 12, about, least=76),
        Column("SERVES", 9, moved, least=60),
        Column("FROM", 16, origin, least=130),
        Column("GEN", 4, _generation, least=110, right=True),
        Column("WHY", 0, _why),
    )


def human(entry: wire.AuditEntry) -> bool:
    """Say whether a person did it."""
    kind: str = entry.detail.get("actor", {}).get("kind", "")
    return kind == "human"


def about(entry: wire.AuditEntry) -> str:
    """Return the versions whose fitness was changed."""
    return ", ".join(entry.detail.get("fitness", {})) or NONE


def moved(entry: wire.AuditEntry) -> str:
    """Return how who serves was changed."""
    if entry.from_version == entry.to_version:
        return entry.to_version or NONE
    return f"{entry.from_version or 'none'}→{entry.to_version or 'none'}"


def origin(entry: wire.AuditEntry) -> str:
    """Return from where it was done: the user and the process, as the socket proved them."""
    actor = entry.detail.get("actor", {})
    if actor.get("pid") is None:
        return "the engine" if not human(entry) else NONE
    return f"uid {actor['uid']} pid {actor['pid']}"


def _generation(entry: wire.AuditEntry) -> str:
    return NONE if entry.generation_after is None else str(entry.generation_after)


def _why(entry: wire.AuditEntry) -> str:
    spite = entry.detail.get("overrides") or []
    override = f"in spite of {', '.join(map(str, spite))}: " if spite else ""
    report = entry.detail.get("report")
    if isinstance(report, dict):
        return f"{report.get('verdict')} against {report.get('against') or 'the baselines'}"
    return override + entry.reason


def chain(answer: wire.AuditAnswer, width: int) -> Line:
    """Say whether the chain of entries is whole."""
    if answer.fault:
        return fit(line((f" the chain is BROKEN: {inert(answer.fault)}", "alarm")), width)
    if not answer.verified:
        return fit(line((" the chain was not verified", "warn")), width)
    said = f", its head is {inert(answer.head[:16])}"
    return fit(line((" the chain is whole", "good"), (said, "dim")), width)


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    answer: wire.AuditAnswer = sheet.value
    entries = answer.entries
    if not entries:
        return Body(told(_NONE, width, style="dim"), head=(chain(answer, width),))
    shown = _columns(wall(screen))
    return Body(
        Rows(len(entries), lambda i: row_line(shown, entries[i], width)),
        head=(chain(answer, width), heading(shown, width)),
        selects=True,
        foot=_foot(screen, entries[min(sheet.cursor, len(entries) - 1)], width),
        names=[str(e.seq) for e in entries],
    )


def _foot(screen: Screen, entry: wire.AuditEntry, width: int) -> tuple[Line, ...]:
    """Draw what the entry stood on says in full; Enter shows its evidence and its hashes."""
    known = (("who", f"{entry.actor}, {origin(entry)}"), ("why", _why(entry)))
    return foot_of(screen, f"Entry {entry.seq}, {inert(entry.action)}", facts(known, width), _FOOT)


def _opens(_: Screen, sheet: Sheet) -> Subject | None:
    entries = sheet.value.entries
    return Subject("entry", id=str(entries[sheet.cursor].seq)) if entries else None


PAGE = Page(
    "audit",
    title=lambda _: f"Audit, the newest {_SHOWN:,}",
    draw=_draw,
    ask=_ask,
    about=of_nothing,
    opens=_opens,
    # The chain is verified whole each time: not with every change, but often enough.
    live=False,
    every=lambda _: 10.0,
)
