"""`cdml drift --reference FILE --current FILE`: the exact drift of each column of two files.

No workspace, no sampling, one column at a time, so memory does not grow with the columns. It
measures and decides nothing.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from engine.errors import UnknownError
from engine.exits import Arguments, guarded
from engine.stats import drift
from engine.stats.profile import BINS, Floats, counted_profile
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
    psi_by_chance: float | None
    js: float | None
    ks: float | None
    ks_p: float | None
    wasserstein: float | None
    wasserstein_normed: float | None
    bins: int


class CategoricalColumn(_Column, frozen=True, kw_only=True):
    """A categorical column, one bin per category of both files."""

    psi: float | None
    psi_by_chance: float | None
    js: float | None
    chi2: float | None
    chi2_p: float | None
    cramers_v: float | None
    tvd: float | None
    linf: float | None
    new_categories: list[str]
    gone_categories: list[str]
    bins: int


class ChangedColumn(_Column, frozen=True, kw_only=True):
    """A column whose type differs between the files: between them there is no distance."""

    kind_reference: str
    kind_current: str


class TimeColumn(_Column, frozen=True, kw_only=True):
    """A column of times: nulls and range only."""

    low_reference: str | None
    high_reference: str | None
    low_current: str | None
    high_current: str | None


Column = NumericColumn | CategoricalColumn | TimeColumn | ChangedColumn


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
        return DriftReport(
            columns={name: _measured(name, before, after) for name in shared},
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


def _measured(name: str, before: TableFile, after: TableFile) -> Column:
    nulls = before.nulls(name), after.nulls(name)
    common: dict[str, Any] = {
        "n_reference": before.rows,
        "n_current": after.rows,
        "null_rate_reference": _rate(nulls[0], before.rows),
        "null_rate_current": _rate(nulls[1], after.rows),
    }
    kinds = before.kinds[name], after.kinds[name]
    # A column without any value is of the other file's kind.
    if nulls[0] == before.rows:
        kinds = kinds[1], kinds[1]
    elif nulls[1] == after.rows:
        kinds = kinds[0], kinds[0]
    if kinds[0] is not kinds[1]:
        return ChangedColumn(
            kind="changed", **common, kind_reference=kinds[0].value, kind_current=kinds[1].value
        )
    common["kind"] = kinds[0].value
    if kinds[0] is ColumnKind.NUMERIC:
        return _numeric(common, before.numbers(name), after.numbers(name))
    if kinds[0] is ColumnKind.CATEGORICAL:
        return _categorical(common, before.categories(name), after.categories(name))
    (low, high), (low_now, high_now) = before.span(name), after.span(name)
    return TimeColumn(
        **common,
        low_reference=low,
        high_reference=high,
        low_current=low_now,
        high_current=high_now,
    )


def _numeric(common: dict[str, Any], reference: Floats, current: Floats) -> NumericColumn:
    infinite = drift.infinities(reference), drift.infinities(current)
    found = drift.numeric(reference, current)
    finite = len(reference) - infinite[0], len(current) - infinite[1]
    return NumericColumn(
        **common,
        infinite_reference=infinite[0],
        infinite_current=infinite[1],
        psi_by_chance=drift.psi_by_chance(*finite, found.bins),
        **msgspec.structs.asdict(found),
    )


def _categorical(
    common: dict[str, Any], reference: dict[str, int], current: dict[str, int]
) -> CategoricalColumn:
    found = drift.categorical(counted_profile(reference), counted_profile(current))
    valued = sum(reference.values()), sum(current.values())
    return CategoricalColumn(
        **common,
        psi_by_chance=drift.psi_by_chance(*valued, found.bins),
        **msgspec.structs.asdict(found),
    )


def _rate(nulls: int, rows: int) -> float | None:
    return nulls / rows if rows else None


# ------------------------------------------------------------------------------------ text

_PSI = ("psi", "psi_by_chance")
_HEADINGS = {
    ColumnKind.NUMERIC.value: (
        *_PSI,
        *("js", "ks", "ks_p", "wasserstein", "wasserstein_normed", "bins"),
    ),
    ColumnKind.CATEGORICAL.value: (
        *_PSI,
        *("js", "chi2", "chi2_p", "cramers_v", "tvd", "linf", "bins"),
    ),
    ColumnKind.TIME.value: ("low_reference", "high_reference", "low_current", "high_current"),
    "changed": ("kind_reference", "kind_current"),
}
_RANKED = (
    "ranked by psi; by chance: the psi to expect of so many rows without any drift\n"
    "p says how sure, not how far: with many rows it is tiny for differences that mean nothing"
)
_LEGEND = {
    ColumnKind.NUMERIC.value: (
        f"psi: natural log, at most {BINS} bins at the reference's quantiles (bins: after equal "
        f"cut points were joined), shares below {drift.EPSILON:g} count as {drift.EPSILON:g}\n"
        "js: distance, log base 2, the same bins, no epsilon   ks: exact over all rows, "
        "asymptotic p\nwasserstein: in the column's unit, normed: over the reference's population "
        f"standard deviation\n{_RANKED}"
    ),
    ColumnKind.CATEGORICAL.value: (
        "psi: natural log, one bin per category of both files, shares below "
        f"{drift.EPSILON:g} count as {drift.EPSILON:g}\njs: distance, log base 2, the same bins, "
        f"no epsilon   chi2: two samples, no correction\n{_RANKED}"
    ),
    ColumnKind.TIME.value: "times: nulls and range only",
    "changed": "of another type in the other file: no distance; write them alike in both",
}
_UNITS = {
    "psi": f"psi(ln,{drift.EPSILON:g})",
    "psi_by_chance": "by chance",
    "js": "js(log2)",
    "wasserstein_normed": "w/sd",
}


def _text(found: DriftReport) -> str:
    parts = []
    for kind, headings in _HEADINGS.items():
        rows = {name: c for name, c in found.columns.items() if c.kind == kind}
        if rows:
            parts.append(_table(_ranked(rows), headings) + "\n" + _LEGEND[kind])
    for title, names in (("missing", found.missing_columns), ("new", found.new_columns)):
        if names:
            parts.append(f"{title} columns: {', '.join(_shown(n) for n in names)}")
    return "\n\n".join(parts) if parts else "The files have no column."


def _ranked(rows: dict[str, Column]) -> dict[str, Column]:
    """Return the columns by PSI, the largest first; those without one as in the file, last."""
    order = sorted(rows, key=lambda name: -_psi(rows[name]))
    return {name: rows[name] for name in order}


def _psi(column: Column) -> float:
    found = column.psi if isinstance(column, NumericColumn | CategoricalColumn) else None
    return -1.0 if found is None else found


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
    if isinstance(column, NumericColumn | CategoricalColumn) and column.psi is None:
        notes.append("no distance: a side has no value")
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
