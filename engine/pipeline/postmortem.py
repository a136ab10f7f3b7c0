"""The post-mortem of an incident as Markdown: who, when, what, on which evidence, what served when.

Text that came with data is inert in it: no markup of its own, no control characters.
"""

from engine.domain.rollbacks import HELPED
from engine.pipeline import incidents
from engine.pipeline.site import Control
from engine.wire import AuditEntry, IncidentNote, IncidentPage

_MARKUP = str.maketrans(
    {c: f"\\{c}" for c in "\\`*_[]#|~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)


def text(site: Control, number: int) -> str:
    """Return the whole report of an incident."""
    page = incidents.page(site, number)
    moves = _moves(site, page)
    parts = [_head(page), _served(page, moves), _acts(page), _timeline(page)]
    return "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return text.translate(_MARKUP)


def _head(page: IncidentPage) -> str:
    row = page.row
    ended = f"closed {_time(row.closed)}" if row.closed else "still open"
    lines = [
        f"# Incident {row.number}: {plain(row.title)}",
        f"Model {plain(row.model)}; champion when it began: {plain(row.version or 'none')}.",
        f"Opened {_time(row.opened)}, {ended}.",
    ]
    helped = [n for n in page.timeline if n.text.startswith(tuple(HELPED.values()))]
    lines += [f"Did it help? {plain(n.text)}." for n in helped[-1:]]
    return "\n\n".join(lines)


def _moves(site: Control, page: IncidentPage) -> list[AuditEntry]:
    """Return the changes of champion from the one that was in force when it began."""
    row = page.row
    moved = [
        e
        for e in site.ledger.audit_entries(limit=100_000)
        if e.model == row.model
        and e.to_version != e.from_version
        and (row.closed is None or e.time <= row.closed)
    ]
    before = [e for e in moved if e.seq <= row.seq]
    return [*before[-1:], *(e for e in moved if e.seq > row.seq)]


def _served(page: IncidentPage, moves: list[AuditEntry]) -> str:
    ends = [*(_time(e.time) for e in moves[1:]), _time(page.row.closed) or "now"][: len(moves)]
    rows = [
        f"| {plain(e.to_version or 'none')} | {_time(e.time)} | {until} | {plain(e.action)} by "
        f"{plain(e.actor)} | {plain(e.reason)} |"
        for e, until in zip(moves, ends, strict=True)
    ]
    head = ["## What served when", "", "| Version | From | Until | How | Why |", f"|{'---|' * 5}"]
    return "\n".join([*head, *rows])


def _acts(page: IncidentPage) -> str:
    done = [n for n in page.timeline if n.kind == "action"]
    lines = [f"* {_time(n.time)} {plain(n.author)}: {plain(n.text)}" for n in done]
    return "\n".join(["## What was done", "", *(lines or ["Nothing yet."])])


def _timeline(page: IncidentPage) -> str:
    head = ["## Timeline", "", "| Time | Who | Kind | What |", "|---|---|---|---|"]
    return "\n".join([*head, *map(_row, page.timeline)])


def _row(note: IncidentNote) -> str:
    return f"| {_time(note.time)} | {plain(note.author)} | {note.kind} | {plain(note.text)} |"


def _time(moment: str | None) -> str:
    return f"{moment[:16].replace('T', ' ')}Z" if moment else ""
