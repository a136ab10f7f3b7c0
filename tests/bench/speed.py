"""Requests a second and a core-second by model, connections and body, ours beside the bare one."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from tests.bench import wrk
from tests.bench.figure import Figure
from tests.bench.ports import free_port, wait_for
from tests.bench.process import ROOT, environment
from tests.bench.trio import RECIPES, Trio, column_body, row_body, rows
from tests.bench.wrk import Run

ROUNDS = {16: 5}
OTHER_ROUNDS = 3
SECONDS = 1
MANY = 100
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# Of ours over the bare one's requests a core-second, and of ours alone.
OVER_BARE = {"lr": 1.0, "hgb": 0.9, "forest": 3.0}
PER_CORE_S = {"lr": 4_300, "hgb": 2_500, "forest": 2_000}
OVER_BARE_ALONE, OVER_BARE_COLUMNS, OVER_BARE_ROWS = 0.9, 0.6, 0.3


@dataclass(frozen=True, slots=True)
class Server:
    """One of the two that are compared: where a model is asked for, and its process."""

    url: Callable[[str], str]
    pid: int


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of load."""

    name: str
    connections: int
    path: str
    bodies: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Pair:
    """The rounds of one case against both, taken in turns."""

    ours: list[Run]
    bare: list[Run]

    def of(self, what: str, server: str = "ours") -> float:
        """Return the median over the rounds."""
        values: list[float] = [getattr(run, what) for run in getattr(self, server)]
        return median(values)

    def over_bare(self, what: str) -> float:
        """Return the median of ours over the bare one's, round by round."""
        both = zip(self.ours, self.bare, strict=True)
        ratios: list[float] = [getattr(o, what) / max(getattr(b, what), 1e-9) for o, b in both]
        return median(ratios)


def cases() -> list[Case]:
    """Return every load: one row at three widths, then a hundred in both shapes."""
    drawn = rows(4 * MANY)
    single = [row_body([row]) for row in drawn[:64]]
    parts = [drawn[at : at + MANY] for at in range(0, len(drawn), MANY)]
    predict, infer = "/v1/models/{}/predict", "/v2/models/{}/infer"
    return [
        *(Case(_one_row(c), c, predict, single) for c in (1, 16, 64)),
        Case("100 rows", 4, predict, [row_body(part) for part in parts]),
        Case("100 rows in columns", 4, infer, [column_body(part) for part in parts]),
    ]


def measure(trio: Trio) -> list[Figure]:
    """Run every case for every model."""
    figures: list[Figure] = []
    failed = asked = 0
    with _bare(trio.workspace, THREADS) as bare:
        for model in RECIPES:
            found = {case.name: _rounds(trio, bare, model, case) for case in cases()}
            figures += _figures(model, found)
            runs = [run for pair in found.values() for run in pair.ours]
            failed += sum(run.failed for run in runs)
            asked += sum(run.requests for run in runs)
    figures += _unlimited(trio)
    figures.append(Figure("failed requests of all these", failed, "requests", asked, 0))
    return figures


def _rounds(trio: Trio, bare: Server, model: str, case: Case) -> Pair:
    """Ask both in turns, so that other work on the machine meets both alike."""
    ours = Server(lambda name: trio.url + case.path.format(name), trio.serving_pid)
    found = Pair([], [])
    for number in range(ROUNDS.get(case.connections, OTHER_ROUNDS) + 1):
        for server, into in ((ours, found.ours), (bare, found.bare)):
            run = wrk.run(server.url(model), case.connections, SECONDS, case.bodies, server.pid)
            if number > 0:  # the first round warms up
                into.append(run)
    sys.stderr.write(
        f"  {model}, {case.name}: {_words(found, 'ours')}; bare {_words(found, 'bare')}; "
        f"ours over bare {found.over_bare('per_core_s'):.2f} by core-second, "
        f"{found.over_bare('per_s'):.2f} by wall\n"
    )
    return found


def _words(pair: Pair, server: str) -> str:
    per_s, per_core_s, p50, p99 = (
        pair.of(what, server) for what in ("per_s", "per_core_s", "p50_ms", "p99_ms")
    )
    return f"{per_s:.0f}/s, {per_core_s:.0f} per core-second, {p50:.2g}/{p99:.2g} ms"


def _figures(model: str, found: dict[str, Pair]) -> list[Figure]:
    alone, busy, crowded = (_one_row(connections) for connections in (1, 16, 64))
    many, columns = "100 rows", "100 rows in columns"
    calm = median(run.p99_ms / run.p50_ms for run in found[busy].ours)

    def figure(
        case: str, what: str, value: float, unit: str, target: float | None = None
    ) -> Figure:
        return Figure(f"{model}, {case}{what}", value, unit, len(found[case].ours), target)

    def over_bare(case: str, target: float) -> Figure:
        ratio = found[case].over_bare("per_core_s")
        made = figure(case, ", over bare by core-second", ratio, "times", target)
        return replace(made, at_least=True)

    by_core = figure(
        busy, ", by core-second", found[busy].of("per_core_s"), "1/s", PER_CORE_S[model]
    )
    return [
        figure(busy, "", found[busy].of("per_s"), "1/s"),
        replace(by_core, at_least=True),
        figure(busy, ", bare, by core-second", found[busy].of("per_core_s", "bare"), "1/s"),
        over_bare(busy, OVER_BARE[model]),
        figure(busy, ", over bare by wall", found[busy].over_bare("per_s"), "times"),
        figure(busy, ", latency p50", found[busy].of("p50_ms"), "ms"),
        figure(busy, ", latency p99", found[busy].of("p99_ms"), "ms"),
        figure(busy, ", p99 over p50", calm, "times", 4),
        figure(alone, "", found[alone].of("per_s"), "1/s"),
        figure(alone, ", latency p50", found[alone].of("p50_ms"), "ms"),
        over_bare(alone, OVER_BARE_ALONE),
        figure(crowded, "", found[crowded].of("per_s"), "1/s"),
        figure(crowded, ", latency p99", found[crowded].of("p99_ms"), "ms", 200),
        figure(many, " a request", MANY * found[many].of("per_s"), "rows/s"),
        over_bare(many, OVER_BARE_ROWS),
        figure(columns, " a request", MANY * found[columns].of("per_s"), "rows/s"),
        over_bare(columns, OVER_BARE_COLUMNS),
    ]


def _one_row(connections: int) -> str:
    return f"{connections} connection{'s' * (connections > 1)}"


def _unlimited(trio: Trio) -> list[Figure]:
    """Compare also with the bare one whose OpenMP takes every core, as it does where nobody asks.

    Alone it is faster for one large batch; beside anything else its threads wait for each other.
    """
    case = next(c for c in cases() if c.connections == 16)
    with _bare(trio.workspace, {}) as bare:
        found = _rounds(trio, bare, "hgb", case)
    ratio = found.over_bare("per_core_s")
    name = "hgb, 16 connections, over bare with OpenMP unlimited by core-second"
    return [Figure(name, ratio, "times", len(found.ours))]


@contextmanager
def _bare(workspace: Path, threads: dict[str, str]) -> Iterator[Server]:
    port = free_port()
    words = [str(port), str(workspace), *RECIPES]
    around = {name: v for name, v in environment().items() if name not in THREADS}
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.bare", *words], cwd=ROOT, env={**around, **threads}
    )
    try:
        wait_for(port, "/", server)
        yield Server(lambda name: f"http://127.0.0.1:{port}/{name}", server.pid)
    finally:
        server.terminate()
        server.wait()
