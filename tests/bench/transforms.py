"""What a transformation costs a request: reading, checking and transforming its rows, CPU time."""

import time

import numpy as np

from engine.domain.contract import Contract
from engine.domain.schema import Feature, Kind, Schema
from engine.transform import proof
from engine.transform.contract import TransformedContract
from engine.transform.sealed import Sealed, Source, source
from engine.transform.transformation import Transformation, derived_only
from tests.bench.figure import Figure, median, quantile

CARRIERS = ("AA", "B6", "DL", "UA")
RAW = Schema(
    (
        *(Feature(f"n{at}", Kind.NUMERIC, nullable=True, low=-9.0, high=9.0) for at in range(10)),
        *(Feature(f"c{at}", Kind.CATEGORICAL, True, categories=CARRIERS) for at in range(4)),
    )
)
KINDS = {f.name: f.kind for f in RAW.features}
SQL = """
select *, sin(n0 * 0.26) as s, cos(n0 * 0.26) as c, n1 / nullif(n2, 0) as r,
       lower(c0) || c1 as route, n3 > 1 and c2 = 'AA' as f
from rows
"""
PYTHON = """
import numpy as np

def made(columns):
    route = [
        None if a is None or b is None else a.lower() + b
        for a, b in zip(columns["c0"], columns["c1"])
    ]
    return {
        **columns, "s": np.sin(columns["n0"] * 0.26), "c": np.cos(columns["n0"] * 0.26),
        "r": columns["n1"] / columns["n2"], "route": route,
        "f": (columns["n3"] > 1) & (columns["c2"] == "AA"),
    }
"""
TRIES = {1: 2000, 1000: 150}


def measure() -> list[Figure]:
    """Return the cost of a request without a transformation, by SQL and by a function."""
    contracts = {
        "no transformation": Contract(RAW),
        "SQL": _contract(source("sql", "bench.sql", SQL)),
        "Python": _contract(source("python", "bench:made", PYTHON)),
    }
    found: list[Figure] = []
    for name, contract in contracts.items():
        for size, tries in TRIES.items():
            rows, taken = _rows(size), []
            for _ in range(tries):
                began = time.process_time()
                contract.read(rows)
                taken.append((time.process_time() - began) * 1000.0)
            label = f"{name}, {size} row{'s' if size > 1 else ''}, CPU"
            found += [median(label, taken, "ms"), quantile(label, taken, 99, "ms")]
    return found


def _rows(size: int) -> dict[str, list[float | str]]:
    rng = np.random.default_rng(size)
    return {
        name: [float(v) for v in rng.normal(size=size)]
        if kind is Kind.NUMERIC
        else [str(v) for v in rng.choice(CARRIERS, size)]
        for name, kind in KINDS.items()
    }


def _contract(of: Source) -> Contract:
    rows = _rows(20)
    some = [{name: rows[name][at] for name in rows} for at in range(20)]
    probes = proof.probes(some, list(KINDS))
    made = Transformation(of, KINDS)({n: [row[n] for row in probes] for n in KINDS})[0]
    derived = [Feature(n, kind, nullable=True) for n, kind in made.items() if n not in KINDS]
    sealed = Sealed(of, [n for n in KINDS if n in made], derived, probes, [])
    return TransformedContract(RAW, sealed, derived_only(sealed, KINDS))
