"""Drift: the columns ranked by what it may cost; Enter opens one, its values then and now."""

from dataclasses import dataclass

from cdml_tui.client import Client
from cdml_tui.panes.figures import count, figure
from cdml_tui.panes.histogram import histogram
from cdml_tui.panes.line import Line, Span, Style, inert, lead, line, pad, title
from cdml_tui.panes.numbers import aligned, placed, table, told
from cdml_tui.screens.page import WIDE, Body, Page
from cdml_tui.sheet import Sheet, Subject
from cdml_tui.state import Screen
from engine import wire

_NAMED = 18
_NARROW = 60
_TALLEST = 22
_PARTS = {"score": "answers", "label": "labels", "slice": "slice", "feature": ""}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page asks for: every column, and the bars of the one that is open."""

    drift: wire.DriftAnswer
    shape: wire.ColumnShape | None = None


def _ask(client: Client, subject: Subject) -> Answer:
    model = subject.model or ""
    if not subject.id:
        return Answer(client.drift(model))
    part, _, column = subject.id.partition("/")
    return Answer(client.drift(model), client.shape(model, part, column))


def _columns(answer: Answer) -> list[wire.DriftColumn]:
    return [*answer.drift.columns, *answer.drift.beside]


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    answer: Answer = sheet.value
    if sheet.subject.id:
        return Body(_one_column(screen, answer, sheet.subject.id, width))
    columns = _columns(answer)
    if not columns:
        why = answer.drift.missing or "no version serves yet: drift is of what the champion gets"
        return Body(told(why, width, style="dim"))
    rows = [_row(answer.drift, c, _full(answer), width) for c in columns]
    return Body(rows, tuple(_head(answer.drift, columns, width)), selects=True)


# ---------------------------------------------------------------- all columns


def _head(answer: wire.DriftAnswer, columns: list[wire.DriftColumn], width: int) -> list[Line]:
    drifted = sum(c.drifted for c in columns)
    first = columns[0]
    said = (
        f"{drifted} of {len(columns)} drift; {answer.current}, n {count(first.n_current)}, "
        f"against {answer.reference}, n {count(first.n_reference)}"
    )
    if width < _NARROW:
        now, then = count(first.n_current), count(first.n_reference)
        said = f"{drifted} of {len(columns)} drift, n {now} against {then}"
    heads = f" {pad('COLUMN', _NAMED)} {pad('PSI', _bars(width))} {lead('', 6)}"
    more = "  SEASON  RECENT   DAMAGE  NOTES" if width >= 76 else ""
    return [*told(said, width), line((heads + more, "dim"))]


def _bars(width: int) -> int:
    if width < 76:
        return max(6, width - _NAMED - 10)
    return 10 if width < 100 else 20 if width < 140 else 30


def _full(answer: Answer) -> float:
    """Return what a whole bar stands for: a few limits, so that one wild column hides no other."""
    limit = answer.drift.limit or 0.25
    worst = max((c.psi for c in _columns(answer) if c.psi is not None), default=0.0)
    return min(max(worst, limit * 1.25), limit * 4)


def _row(answer: wire.DriftAnswer, c: wire.DriftColumn, full: float, width: int) -> Line:
    style: Style = "bad" if c.drifted else ""
    of = {r.against: r.psi for r in c.references}
    sides = ""
    if width >= 76:
        sides = f"  {lead(figure(of.get('season')), 6)}  {lead(figure(of.get('recent')), 6)}"
        sides += f"  {lead(figure(c.damage), 7)}"
    return line(
        f" {pad(inert(c.column), _NAMED)} ",
        (_bar(c.psi, answer.limit, full, _bars(width)), style),
        (f" {lead(figure(c.psi), 5)}{'!' if c.drifted else ' '}", style),
        sides,
        (f"  {_notes(c)}" if width >= 76 else "", "warn" if c.drifted else ""),
    )


def _bar(psi: float | None, limit: float | None, full: float, width: int) -> str:
    """Draw a psi as a bar with its limit; an arrow where it goes on beyond the room."""
    filled = round(min(1.0, max(0.0, (psi or 0.0) / full)) * width)
    cells = list("█" * filled + " " * (width - filled))
    if psi is not None and psi > full:
        cells[-1] = "▸"
    if limit is not None and limit <= full:
        at = min(width - 1, round(limit / full * width))
        cells[at] = "│" if cells[at] != "▸" else "▸"
    return "".join(cells)


def _notes(c: wire.DriftColumn) -> str:
    """Say in a few words what is to be known of a column, the gravest first."""
    parts = [_PARTS.get(c.part, "")]
    if c.missing:
        parts.append(inert(c.missing))
    elif c.drifted and c.evidence_since:
        parts.append(f"since {c.evidence_since[5:10]}")
    if c.new_categories:
        named = ", ".join(inert(n) for n in c.new_categories[:2])
        more = len(c.new_categories) - 2
        parts.append(f"new: {named}" + (f" and {more} more" if more > 0 else ""))
    if abs(c.null_rate_current - c.null_rate_reference) >= 0.01:
        parts.append(f"missing {_nulls(c)}")
    outside = c.below_current + c.above_current
    if outside:
        parts.append(f"{count(outside)} outside its range")
    return "; ".join(p for p in parts if p)


def _nulls(c: wire.DriftColumn) -> str:
    return f"{c.null_rate_reference * 100:.1f}% then, {c.null_rate_current * 100:.1f}% now"


# ---------------------------------------------------------------- one column


def _one_column(screen: Screen, answer: Answer, wanted: str, width: int) -> list[Line]:
    column = next((c for c in _columns(answer) if _id(c) == wanted), None)
    if column is None:
        return told("The newest look has no such column any more; Esc goes back.", width)
    columns = 2 if width >= WIDE else 1
    each = (width - 3 * (columns - 1)) // columns
    height = max(6, min(_TALLEST, screen.height // 2 - 2))
    drawn = histogram(answer.shape, each, height, screen.glyphs) if answer.shape else []
    numbers = [*_verdict(answer.drift, column, each), *_references(column, each)]
    return placed([[*drawn, ()], numbers], columns, each, width)


def _verdict(answer: wire.DriftAnswer, c: wire.DriftColumn, width: int) -> list[Line]:
    said, style = _sentence(answer, c)
    pairs = [
        ("evidence", _evidence(c)),
        ("missing", _nulls(c)),
        ("mean", _pair(c.mean_reference, c.mean_current)),
        ("deviation", _pair(c.deviation_reference, c.deviation_current)),
        ("outside", _outside(c)),
        ("new", ", ".join(c.new_categories[:20])),
        ("worth", f"{figure(c.worth)} in the metric's unit" if c.worth is not None else ""),
        ("damage", f"{figure(c.damage)}: worth times psi" if c.damage is not None else ""),
    ]
    return [*told(said, width, style=style), *aligned(pairs, width), ()]


def _sentence(answer: wire.DriftAnswer, c: wire.DriftColumn) -> tuple[str, Style]:
    if c.psi is None:
        return c.missing or "not measured", "dim"
    limit = f"limit {figure(answer.limit)}" if answer.limit is not None else "no limit"
    sizes = f"n {count(c.n_current)} now, {count(c.n_reference)} then"
    if c.drifted:
        return f"It DRIFTS: psi {figure(c.psi)}, {limit}, {sizes}.", "bad"
    if answer.limit is not None and c.psi > answer.limit:
        return f"Over its limit, not yet sure: psi {figure(c.psi)}, {limit}, {sizes}.", "warn"
    return f"It does not drift: psi {figure(c.psi)}, {limit}, {sizes}.", ""


def _evidence(c: wire.DriftColumn) -> str:
    if c.evidence is None:
        return "not enough full days yet"
    needed = f" of {c.evidence_needed:.3g} needed" if c.evidence_needed is not None else ""
    since = f", grows since {c.evidence_since[:10]}" if c.evidence_since else ""
    return f"{c.evidence:.3g}{needed}{since}"


def _pair(before: float | None, after: float | None) -> str:
    return f"{figure(before)} then, {figure(after)} now" if before is not None else ""


def _outside(c: wire.DriftColumn) -> str:
    parts = [
        (c.below_current, "below"), (c.above_current, "above the reference's range"),
        (c.infinite_current, "infinite"), (sum(c.unseen_current.values()), "of unseen categories"),
    ]  # fmt: skip
    return ", ".join(f"{count(n)} {what}" for n, what in parts if n)


def _references(c: wire.DriftColumn, width: int) -> list[Line]:
    """Draw the distances from the three references, and which rows each of them is."""
    known = [r for r in c.references if not r.missing]
    rows: list[list[str | Span]] = [
        [r.against, *(figure(v) for v in (r.psi, r.js, r.ks, r.wasserstein)), count(r.n)]
        for r in known
    ]
    lines = [title("Against each reference", width)]
    if rows:
        lines += table(["REFERENCE", "PSI", "JS", "KS", "WASSERST", "N"], rows, width)
    else:
        lines += told("not measured against any", width, style="dim")
    pairs = [(r.against, r.missing or r.of) for r in c.references]
    return [*lines, *aligned(pairs, width)]


def _id(c: wire.DriftColumn) -> str:
    return f"{c.part}/{c.column}"


def _opens(_: Screen, sheet: Sheet) -> Subject | None:
    columns = _columns(sheet.value)
    if sheet.subject.id or sheet.cursor >= len(columns):
        return None
    return Subject("drift", sheet.subject.model, id=_id(columns[sheet.cursor]))


def _title(subject: Subject) -> str:
    column = subject.id.partition("/")[2]
    return f"Drift of {subject.model}" + (f": {column}" if column else " by column")


PAGE = Page("drift", title=_title, draw=_draw, ask=_ask, opens=_opens, rest_s=10.0)
