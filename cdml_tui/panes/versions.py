"""The versions of a model: who serves, how good, how sure, what could take over."""

from dataclasses import dataclass
from itertools import compress

from cdml_tui.panes.figures import NONE, age, clock, count, figure, metric_word, percent
from cdml_tui.panes.first_steps import first_steps
from cdml_tui.panes.header import locks
from cdml_tui.panes.line import Line, Span, Style, fit, inert, lead, line, pad, title, width_of
from cdml_tui.reach import ways
from cdml_tui.state import Screen, decision_now, filter_of, listed, model_of, promotable
from engine import wire

_KIND_MARK = {"realised": " ", "replayed": "s", "validation": "v", "none": " "}


@dataclass(frozen=True, slots=True)
class _Column:
    """One column: its head, its width, and from which width of the pane on it is shown."""

    head: str
    width: int
    shown_from: int
    left: bool = False


def versions(screen: Screen, width: int, height: int) -> list[Line]:
    """Draw the list with its title; the selected version is always in view."""
    model = model_of(screen)
    if model is None:
        why = "the engine has not answered yet" if screen.snapshot is None else "no model here yet"
        head = [title("Versions", width, number="1"), line((f"   {why}", "dim"))]
        return [*head, *first_steps(screen, width)][:height]
    rows = listed(screen, model)
    view = _in_view(rows, _pinned(model, rows), screen.selected, height - 2)
    hidden = len(rows) - len(view)
    more = (Span(f"{hidden} more: {ways(screen)} ", "dim"),) if hidden > 0 else ()
    name = Span(f"{inert(model.model)} ", "bold")
    note = (name, *filtered(screen, "versions"), *more, *locks(model, screen))
    columns = _columns(model, width)
    shown = [width >= c.shown_from for c in columns]
    columns_head = "   " + " ".join(_put(c.head, c) for c in compress(columns, shown)) + "  STATE"
    lines = [title("Versions", width, note, "1"), line((columns_head, "dim"))]
    if not rows:
        lines += first_steps(screen, width)
    lines += [_row(screen, model, row, columns, shown, width) for row in view]
    return lines[:height]


def filtered(screen: Screen, pane: str) -> Line:
    """Say what a pane is filtered by, for its title."""
    found = filter_of(screen, pane)
    if found is None:
        return ()
    return (Span(f"/{'!' if found.inverse else ''}{inert(found.pattern)} ", "warn"),)


def wanted_height(screen: Screen) -> int:
    """Return the lines that would show every version."""
    model = model_of(screen)
    rows = len(model.versions) if model else 0
    return 2 + max(1, rows or len(first_steps(screen, screen.width)))


def _pinned(model: wire.ModelState, rows: list[wire.VersionRow]) -> int:
    """Return how many rows at the top never scroll away: who serves, and the way back."""
    serving = {"champion", "canary", "shadow"}
    return sum(bool(serving & set(r.roles)) or r.version == model.rollback.to for r in rows)


def _in_view(
    rows: list[wire.VersionRow], pinned: int, selected: str | None, room: int
) -> list[wire.VersionRow]:
    head, rest = rows[: min(pinned, room)], rows[min(pinned, room) :]
    space = max(0, room - len(head))
    at = next((i for i, row in enumerate(rest) if row.version == selected), 0)
    first = max(0, min(at - space + 1, len(rest) - space)) if at >= space else 0
    return head + rest[first : first + space]


def _put(text: str, column: _Column) -> str:
    return pad(text, column.width) if column.left else lead(text, column.width)


def _row(
    screen: Screen,
    model: wire.ModelState,
    row: wire.VersionRow,
    columns: list[_Column],
    shown: list[bool],
    width: int,
) -> Line:
    chosen = row.version == screen.selected
    plain: Style = "bold" if chosen else ""
    mark = "*" if row.version in screen.marks else " "
    spans = [Span(f"{mark}> " if chosen else f"{mark}  ", plain)]
    cells = _cells(screen, model, row)
    for column, cell in compress(zip(columns, cells, strict=True), shown):
        spans.append(Span(_put(cell.text, column) + " ", cell.style or plain))
    spans += [Span(" "), _state(model, row, short=width < 60)]
    return fit(tuple(spans), width)


# ---------------------------------------------------------------- columns


def _columns(model: wire.ModelState, width: int) -> list[_Column]:
    longest = max((width_of(inert(row.version)) for row in model.versions), default=0)
    named = min(max(4, longest), 8) if width >= 76 else 4
    metric = metric_word(model.metric).upper()[:8]
    return [
        _Column("VER", named, 0, left=True),
        _Column("ROLE", 8, 0, left=True),
        _Column("SHARE", 5, 60),
        _Column(metric, max(7, len(metric)), 34),
        _Column("N", 5, 70),
        _Column("DRIFT", 6, 66),
        _Column("P95", 5, 74),
        _Column("AGE", 4, 60),
        _Column("TRAINED ON", 12, 86),
    ]


def _cells(screen: Screen, model: wire.ModelState, row: wire.VersionRow) -> list[Span]:
    """Return the cells of one row, one for each of the columns."""
    serves = "champion" in row.roles
    over = {s.name for s in model.signals if s.breached} if serves else set()
    # The mark belongs to what was measured in service, not to what validation promised.
    worse = model.metric in over and row.metric_kind == "realised"
    drifted = row.drift is not None and any(name.startswith(("psi", "drift")) for name in over)
    return [
        Span(inert(row.version)),
        _role(row),
        Span(percent(row.share_pct)),
        Span(figure(row.metric) + ("!" if worse else _KIND_MARK[row.metric_kind]), _bad(worse)),
        Span(count(row.metric_n) if row.metric is not None else NONE),
        Span(figure(row.drift) + ("!" if drifted else " "), _bad(drifted)),
        Span(figure(row.p95_ms)),
        Span(age(row.created_at, decision_now(screen))),
        Span(_trained(row)),
    ]


def _role(row: wire.VersionRow) -> Span:
    for role in ("champion", "canary", "shadow", "standby"):
        if role in row.roles:
            return Span(role, "bold" if role == "champion" else "")
    return Span("-", "dim")


def _bad(is_bad: bool) -> Style:  # noqa: FBT001 - reads as a statement where it is used
    return "bad" if is_bad else ""


def _trained(row: wire.VersionRow) -> str:
    if row.trained_from is None or row.trained_to is None:
        return NONE
    return f"{clock(row.trained_from, None)[:5]}..{clock(row.trained_to, None)[:5]}"


def _state(model: wire.ModelState, row: wire.VersionRow, *, short: bool) -> Span:
    safe = "safe mode; " if row.safe_mode else ""
    if row.version == model.champion:
        text = "BREACHING" if model.breach else inert(row.state)
        return Span(safe + text, _bad(bool(model.breach)))
    if "waits" in row.state:
        return Span(safe + inert(row.state.rpartition(", ")[2]), "warn")
    if row.version == model.rollback.to:
        if model.rollback.ready:
            what = "R" if short else "safe mode" if row.safe_mode else "rollback"
            return Span(f"READY for {what}", "good")
        return Span(f"{'safe mode' if row.safe_mode else 'way back'}, NOT READY", "warn")
    if promotable(model, row):
        return Span(f"{safe}READY for P" if short else f"{safe}READY to promote", "good")
    unfit = row.fitness in ("rolled_back", "rejected", "failed", "tainted")
    if row.safe_mode and not unfit:
        return Span("safe mode")
    return Span(safe + inert(row.state or row.fitness), "warn" if unfit else "")
