"""One entry of the audit: what was done, on what evidence, and its link in the chain."""

from collections.abc import Mapping
from typing import Any

from cdml_tui.panes.facts import facts
from cdml_tui.panes.figures import NONE, figure
from cdml_tui.panes.line import Line, line, title
from cdml_tui.screens.audit import moved, origin
from cdml_tui.screens.page import Body, Page
from cdml_tui.sheet import Sheet
from cdml_tui.state import Screen
from engine import wire

# What is told in words of its own above.
_TOLD = {"actor", "report", "reason", "fitness", "overrides", "evidence"}


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    """Draw the entry from the list below, which has the whole of it."""
    below = screen.sheets[-2].value if len(screen.sheets) > 1 else None
    entries: list[wire.AuditEntry] = below.entries if below else []
    entry = next((e for e in entries if str(e.seq) == sheet.subject.id), None)
    if entry is None:
        return Body([line((" it is not among the newest any more; cdml audit has it", "dim"))])
    return Body(_lines(entry, width))


def _lines(entry: wire.AuditEntry, width: int) -> list[Line]:
    detail = entry.detail
    fitness = [f"{v}: {' → '.join(map(str, w))}" for v, w in detail.get("fitness", {}).items()]
    lines = facts(
        (
            ("did", f"{entry.action}{f' of {entry.model}' if entry.model else ''}"),
            ("who", f"{entry.actor}, {origin(entry)}"),
            ("when", f"{_time(entry.wall)}; decided for {_time(entry.time)}"),
            ("serves", moved(entry)),
            ("fitness", "; ".join(fitness)),
            ("why", entry.reason),
            ("in spite", ", ".join(map(str, detail.get("overrides") or []))),
            ("gen", f"{entry.generation_before} → {entry.generation_after}"),
            ("hash", entry.hash),
            ("before", entry.prev_hash),
        ),
        width,
    )
    report = detail.get("report")
    if isinstance(report, Mapping):
        lines += [title("Gate report", width), *_report(report, width)]
    rest = [(name, _flat(v)) for name, v in detail.items() if name not in _TOLD and v]
    return [*lines, title("Detail", width), *facts(rest, width)] if rest else lines


def _report(report: Mapping[str, Any], width: int) -> list[Line]:
    against = report.get("against") or "the baselines"
    head = ("verdict", f"{report.get('verdict')} against {against}, n {report.get('n')}")
    checks = report.get("checks", [])
    return facts((head, *((str(c.get("verdict"))[:9], _check(c)) for c in checks)), width)


def _check(check: Mapping[str, Any]) -> str:
    found = f"{figure(check.get('value'))} {check.get('unit')}, n {check.get('n')}"
    return f"{check.get('name')}: {found}; {check.get('text')}"


def _flat(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_flat(v)}" for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(map(_flat, value)) or "none"
    return NONE if value is None else str(value)


def _time(text: str) -> str:
    return f"{text[:19].replace('T', ' ')}Z"


PAGE = Page(
    "entry",
    title=lambda subject: f"Audit entry {subject.id}",
    draw=_draw,
    live=False,
)
