"""Drift of the columns, the most damaging first: which one moved, how far, on how many rows."""

from cdml_tui.panes.figures import bar_of, count, figure
from cdml_tui.panes.line import (
    EMPTY,
    Line,
    Span,
    Style,
    fit,
    inert,
    lead,
    line,
    pad,
    title,
    width_of,
)
from cdml_tui.state import Screen, model_of
from engine import wire

_NULLS_MOVED = 0.02
_CLEAR = 0.2


def drift(screen: Screen, width: int, height: int) -> list[Line]:
    """Draw the columns ranked by damage, and by PSI where nothing is known of that."""
    model = model_of(screen)
    note = line((f"{inert(model.drift_window)} ", "dim")) if model and model.drift_window else EMPTY
    head = title("Drift by column", width, note, "5")
    if model is None or not model.drift:
        why = "no model" if model is None else "not measured yet; needs one window of predictions"
        return [head, line((f" {why}", "dim"))][:height]
    ranked = sorted(model.drift, key=_rank, reverse=True)
    worst = max(c.psi or 0.0 for c in ranked)
    legend = line((_legend(ranked[0], width), "dim"))
    full = max(worst, _CLEAR)
    return [head, legend, *(_row(c, full, width) for c in ranked)][:height]


def _rank(column: wire.DriftColumn) -> tuple[float, float]:
    damage, psi = (-1.0 if v is None else v for v in (column.damage, column.psi))
    return damage, psi


def _legend(column: wire.DriftColumn, width: int) -> str:
    sizes = f"{count(column.n_reference)} training rows against {count(column.n_current)} now"
    left = f" {pad('COLUMN', 16)} {lead('PSI', 6)}  "
    return left + sizes if width >= len(left) + width_of(sizes) else left


def _row(column: wire.DriftColumn, full: float, width: int) -> Line:
    psi = column.psi
    notes = _notes(column)
    bars = max(0, min(20, width - 27 - width_of(notes)))
    clear = psi is not None and psi >= _CLEAR
    style: Style = "warn" if column.drifted or (column.evidence is None and clear) else ""
    return fit(
        (
            Span(f" {pad(inert(column.column), 16)} "),
            Span(f"{lead(figure(psi), 6)}{'!' if column.drifted else ' '} ", style),
            Span(pad(bar_of(psi or 0.0, full, bars), bars), style),
            Span(" " + notes, "warn" if notes else ""),
        ),
        width,
    )


def _notes(column: wire.DriftColumn) -> str:
    parts = []
    before, after = column.null_rate_reference, column.null_rate_current
    if abs(after - before) >= _NULLS_MOVED:
        parts.append(f"missing {before * 100:.1f}% now {after * 100:.1f}%")
    if column.new_categories:
        new = ", ".join(inert(c) for c in column.new_categories[:3])
        more = len(column.new_categories) - 3
        parts.append(f"new: {new}" + (f" and {more} more" if more > 0 else ""))
    if column.psi is None:
        parts.append("too few rows")
    return "; ".join(parts)
