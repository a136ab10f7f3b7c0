"""Measures the figures of the README here: python -m tests.bench [NAME...] [--json]."""

import argparse
import importlib
import json
import sys
from dataclasses import dataclass

from tests.bench import box, trio
from tests.bench.figure import Figure, load_average, machine

# In this order: the console is watched at rest some time after the last change, and the memory
# after the trainings is measured before anything is restarted.
BENCHES = (
    *("rollback", "acknowledged", "serving", "monitoring", "console", "engine"),
    *("delivery", "attacks", "training", "isolation", "transforms", "demo", "retention", "keeping"),
)
MET = {True: "yes", False: "NO", None: ""}


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one bench and the load of the machine before and after."""

    bench: str
    figures: list[Figure]
    load: tuple[float, float]


def main(argv: list[str]) -> int:
    """Measure what was named, or everything; the exit code does not judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--json", action="store_true", help="one JSON object")
    given = parser.parse_args(argv)
    unknown = [name for name in given.names if name not in BENCHES]
    if unknown:
        parser.error(f'there is no bench "{unknown[0]}"; there are {", ".join(BENCHES)}')
    measured: list[Measured] = []
    try:
        for name in given.names or BENCHES:
            sys.stderr.write(f"measuring {name}\n")
            measured.append(_measured(name))
    finally:
        # Also after a bench that failed: the others took minutes.
        sys.stdout.write(_as_json(measured) if given.json else _table(measured))
        box.put_away()
        trio.put_away()
    return 0


def _measured(name: str) -> Measured:
    before = load_average()
    figures = importlib.import_module(f"tests.bench.{name}").measure()
    return Measured(name, figures, (before, load_average()))


def _as_json(measured: list[Measured]) -> str:
    figures = [
        {
            "bench": part.bench,
            "figure": f.name,
            "value": round(f.value, 4),
            "unit": f.unit,
            "n": f.n,
            "target": f.target,
            "at_least": f.at_least,
            "met": f.met,
            "load": part.load,
        }
        for part in measured
        for f in part.figures
    ]
    return json.dumps({"machine": machine(), "figures": figures}) + "\n"


def _table(measured: list[Measured]) -> str:
    """Draw one table; the load of the machine stands in each bench's heading."""
    head = ("figure", "value", "unit", "n", "target", "met")
    rows: list[tuple[str, ...]] = []
    for part in measured:
        rows.append((f"{part.bench} (load {part.load[0]:.1f} to {part.load[1]:.1f})",))
        rows += [_row(f) for f in part.figures]
    full = [head, *(row for row in rows if len(row) > 1)]
    widths = [max(len(row[at]) for row in full) for at in range(len(head))]
    lines = [f"Machine: {machine()}", "", _line(head, widths)]
    lines += [_line(row, widths) if len(row) > 1 else f"\n{row[0]}" for row in rows]
    return "\n".join(lines) + "\n"


def _row(f: Figure) -> tuple[str, ...]:
    target = "" if f.target is None else f"{'>=' if f.at_least else '<='} {f.target:g}"
    return (f"  {f.name}", _number(f.value), f.unit, str(f.n), target, MET[f.met])


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    right = {1, 3, 4}
    cells = [
        cell.rjust(w) if at in right else cell.ljust(w)
        for at, (cell, w) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
