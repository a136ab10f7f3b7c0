"""`cdml drift --reference FILE --current FILE`: the exact drift of each column of two files.

No workspace, no sampling, one column at a time. It measures and decides nothing.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from engine.errors import InvalidError, UnknownError
from engine.exits import Arguments, guarded
from engine.stats import drift
from engine.stats.profile import BINS, counted_profile
from engine.store.tablefile import ColumnKind, TableFile, opened


class _Column(msgspec.Struct, frozen=True, kw_only=True):
    """What every kind of column tells. `n` counts all rows of a file, nulls among them."""

    kind: str
    n_reference: int
    n_current: int
    null_rate_reference: float | None
    null_rate_current: float | None


class NumericColumn(_Column, frozen=True, kw_only=True):
    """A numeric column; infinities take no part in the distances and are counted here."""

    infinite_reference: int
    infinite_current: int
    psi: float | None
    js: float | None
    ks: float | None
    ks_p: float | None
    wasserstein: float | None
    wasserstein_normed: float | None
    bins: int


class CategoricalColumn(_Column, frozen=True, kw_only=True):
    """A categorical column, one bin per category of both files."""

    psi: float | None
    js: float | None
    chi2: float | None
    chi2_p: float | None
    cramers_v: float | None
    tvd: float | None
    linf: float | None
    new_categories: list[str]
    gone_categories: list[str]
    bins: int


class TimeColumn(_Column, frozen=True, kw_only=True):
    """A column of times: nulls and range only."""

    low_reference: str | None
    high_reference: str | None
    low_current: str | None
    high_current: str | None


Column = NumericColumn | CategoricalColumn | TimeColumn


class DriftReport(msgspec.Struct, frozen=True):
    """Every column of both files: measured where both have it, else named."""

    columns: dict[str, Any]
    missing_columns: list[str]
    new_columns: list[str]


def report(reference: Path, current: Path, columns: list[str] | None = None) -> DriftReport:
    """Compare two files column by column; `columns` limits the report to those."""
    with opened([reference, current]) as (before, after):
        if columns is not None:
            _check_known(columns, before, after)
        wanted = set(columns) if columns is not None else before.kinds.keys() | after.kinds.keys()
        shared = [name for name in before.kinds if name in after.kinds and name in wanted]
        # All types are compared before anything is measured: an error should not take a minute.
        kinds = {name: _kind(name, before, after) for name in shared}
        return DriftReport(
            columns={name: _measured(name, kinds[name], before, after) for name in shared},
            missing_columns=[n for n in before.kinds if n in wanted and n not in after.kinds],
            new_columns=[n for n in after.kinds if n in wanted and n not in before.kinds],
        )


def main(argv: list[str]) -> int:
    """Run the verb: the answer on stdout, errors on stderr; 0, or 2 where the input is wrong."""
    as_json = "--json" in argv
    return guarded(lambda: _run(argv), as_json=as_json)


def _run(argv: list[str]) -> int:
    asked = _parser().parse_args(argv)
    found = report(asked.reference, asked.current, asked.columns)
    text = msgspec.json.encode(found).decode() if asked.json else _text(found)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # a reader who has gone is noticed here, not at exit
    return 0


def _parser() -> Arguments:
    parser = Arguments(prog="cdml drift", description=__doc__, allow_abbrev=False)
    parser.add_argument("--reference", type=Path, required=True, metavar="FILE")
    parser.add_argument("--current", type=Path, required=True, metavar="FILE")
    parser.add_argument("--columns", nargs="+", metavar="C", help="only these")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("-w", "--workspace", help=argparse.SUPPRESS)  # taken everywhere, unused
    return parser


def _check_known(columns: list[str], before: TableFile, after: TableFile) -> None:
    for name in columns:
        if name not in before.kinds and name not in after.kinds:
            raise UnknownError(
                f'Comparing column "{_shown(name)}": neither file has it. '
                f"They have: {', '.join(_shown(n) for n in [*before.kinds][:40])}.",
                code="unknown_column",
                field=name,
            )


def _kind(name: str, before: TableFile, after: TableFile) -> ColumnKind:
    """Return the kind of a column; one without any value is of the other file's kind."""
    first, second = before.kinds[name], after.kinds[name]
    if first is second or after.nulls(name) == after.rows:
        return first
    if before.nulls(name) == before.rows:
        return second
    raise InvalidError(
        f'Comparing column "{_shown(name)}": it is {first} in "{before.path}" and {second} in '
        f'"{after.path}". Write it alike in both, or name the other columns with --columns.',
        code="column_changed_type",
        field=name,
    )


def _measured(name: str, kind: ColumnKind, before: TableFile, after: TableFile) -> Column:
    common: dict[str, Any] = {
        "kind": kind.value,
        "n_reference": before.rows,
        "n_current": after.rows,
        "null_rate_reference": _rate(before.nulls(name), before.rows),
        "null_rate_current": _rate(after.nulls(name), after.rows),
    }
    if kind is ColumnKind.NUMERIC:
        return _numeric(common, name, before, after)
    if kind is ColumnKind.CATEGORICAL:
        sides = [counted_profile(file.categories(name)) for file in (before, after)]
        distances = drift.categorical(*sides)
        return CategoricalColumn(**common, **msgspec.structs.asdict(distances))
    (low, high), (low_now, high_now) = before.span(name), after.span(name)
    return TimeColumn(
        **common,
        low_reference=low,
        high_reference=high,
        low_current=low_now,
        high_current=high_now,
    )


def _numeric(
    common: dict[str, Any], name: str, before: TableFile, after: TableFile
) -> NumericColumn:
    reference, current = before.numbers(name), after.numbers(name)
    return NumericColumn(
        **common,
        infinite_reference=drift.infinities(reference),
        infinite_current=drift.infinities(current),
        **msgspec.structs.asdict(drift.numeric(reference, current)),
    )


def _rate(nulls: int, rows: int) -> float | None:
    return nulls / rows if rows else None


# ------------------------------------------------------------------------------------ text

_HEADINGS = {
    ColumnKind.NUMERIC: ("psi", "js", "ks", "ks_p", "wasserstein", "wasserstein_normed", "bins"),
    ColumnKind.CATEGORICAL: ("psi", "js", "chi2", "chi2_p", "cramers_v", "tvd", "linf", "bins"),
    ColumnKind.TIME: ("low_reference", "high_reference", "low_current", "high_current"),
}
_LEGEND = {
    ColumnKind.NUMERIC: (
        f"psi: natural log, at most {BINS} bins at the reference's quantiles (bins: after equal "
        f"cut points were joined), shares below {drift.EPSILON:g} count as {drift.EPSILON:g}\n"
        "js: distance, log base 2, the same bins, no epsilon   ks: exact over all rows, "
        "asymptotic p\nwasserstein: in the column's unit, normed: over the reference's population "
        "standard deviation"
    ),
    ColumnKind.CATEGORICAL: (
        "psi: natural log, one bin per category of both files, shares below "
        f"{drift.EPSILON:g} count as {drift.EPSILON:g}\njs: distance, log base 2, the same bins, "
        "no epsilon   chi2: two samples, no correction"
    ),
    ColumnKind.TIME: "times: nulls and range only",
}
_UNITS = {"psi": f"psi(ln,{drift.EPSILON:g})", "js": "js(log2)", "wasserstein_normed": "w/sd"}


def _text(found: DriftReport) -> str:
    parts = []
    for kind, headings in _HEADINGS.items():
        rows = {name: c for name, c in found.columns.items() if c.kind == kind.value}
        if rows:
            parts.append(_table(rows, headings) + "\n" + _LEGEND[kind])
    for title, names in (("missing", found.missing_columns), ("new", found.new_columns)):
        if names:
            parts.append(f"{title} columns: {', '.join(_shown(n) for n in names)}")
    return "\n\n".join(parts) if parts else "The files have no column."


def _table(rows: dict[str, Column], headings: tuple[str, ...]) -> str:
    first = ["column", "n_ref", "n_cur", "null_ref", "null_cur"]
    lines = [[*first, *(_UNITS.get(h, h) for h in headings), ""]]
    for name, column in rows.items():
        rates = (column.null_rate_reference, column.null_rate_current)
        lines.append(
            [
                _shown(name),
                str(column.n_reference),
                str(column.n_current),
                *("-" if rate is None else f"{rate:.2%}" for rate in rates),
                *(_number(getattr(column, h)) for h in headings),
                _notes(column),
            ]
        )
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if at == 0 else text.rjust(width)
            for at, (text, width) in enumerate(zip(line[:-1], widths, strict=False))
        )
        + (f"  {line[-1]}" if line[-1] else "")
        for line in lines
    )


def _notes(column: Column) -> str:
    """Return what a person should see beside the numbers: new and gone categories, infinities."""
    notes = []
    if isinstance(column, CategoricalColumn):
        for title, names in (("new", column.new_categories), ("gone", column.gone_categories)):
            if names:
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                notes.append(f"{title}: {', '.join(_shown(n) for n in names[:3])}{more}")
    if isinstance(column, NumericColumn) and column.infinite_reference + column.infinite_current:
        notes.append(f"infinite: {column.infinite_reference} and {column.infinite_current} rows")
    return "; ".join(notes)


def _number(value: float | str | None) -> str:
    if value is None:
        return "-"
    return (
        value
        if isinstance(value, str)
        else str(value)
        if isinstance(value, int)
        else f"{value:.4g}"
    )


def _shown(name: str) -> str:
    """Return a name from a file as a terminal may see it: short, no control characters."""
    clean = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in name)
    return clean if len(clean) <= 40 else clean[:39] + "…"
