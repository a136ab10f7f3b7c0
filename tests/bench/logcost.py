"""What the prediction log costs: serving with it and, cut out for this, without it.

Cut out are the encoding of a record and its way to the disk; what is put together stays.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

from tests.bench import wrk
from tests.bench.figure import Figure
from tests.bench.ports import free_port, wait_for
from tests.bench.process import ROOT, environment
from tests.bench.trio import Trio, row_body, rows

ROUNDS = 7
SECONDS = 1
MODELS = ("lr", "hgb")
KEPT = ("cdml.toml", "ledger.sqlite", "artifacts", "keys")


def measure(trio: Trio) -> list[Figure]:
    """Run two serving processes without an engine, one of each kind, in turns."""
    bodies = [row_body([row]) for row in rows(64)]
    figures = []
    trio.down()
    with ExitStack() as stack:
        logged = stack.enter_context(_serving(trio, "logged", ["-m", "engine", "serve", "-w"]))
        plain = stack.enter_context(_serving(trio, "unlogged", ["-m", "tests.bench.unlogged"]))
        for model in MODELS:
            path = f"/v1/models/{model}/predict"
            with_log: list[wrk.Run] = []
            without: list[wrk.Run] = []
            for number in range(ROUNDS + 1):
                for (url, pid), into in ((logged, with_log), (plain, without)):
                    run = wrk.run(url + path, 16, SECONDS, bodies, pid)
                    if number > 0:  # the first round warms up
                        into.append(run)
            figures += _figures(model, with_log, without)
        _check_logs(trio)
    trio.up()
    return figures


def _check_logs(trio: Trio) -> None:
    """Exit where the one wrote no log or the other did."""
    sizes = [
        sum(file.stat().st_size for file in (trio.workspace.with_name(name) / "spool").iterdir())
        for name in ("logged", "unlogged")
    ]
    if not sizes[0] or sizes[1]:
        sys.exit(f"logged and unlogged serving wrote {sizes} bytes: tests.bench.unlogged is stale")


def _figures(model: str, logged: list[wrk.Run], plain: list[wrk.Run]) -> list[Figure]:
    both = list(zip(logged, plain, strict=True))
    by_wall = median(100 * (1 - a.per_s / b.per_s) for a, b in both)
    by_core = median(100 * (1 - a.per_core_s / b.per_core_s) for a, b in both)
    what = f"throughput that the log takes, {model}, 16 connections"
    return [
        Figure(what, by_wall, "%", ROUNDS, 25),
        Figure(f"{what}, by core-second", by_core, "%", ROUNDS, 25),
    ]


@contextmanager
def _serving(trio: Trio, name: str, verb: list[str]) -> Iterator[tuple[str, int]]:
    """Serve a copy of the workspace, so that each has a spool of its own."""
    root = trio.workspace.with_name(name)
    root.mkdir()
    for part in KEPT:
        source = trio.workspace / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, root / part)
    port = free_port()
    config = root / "cdml.toml"
    text = config.read_text(encoding="utf-8").replace(f":{trio.port}", f":{port}")
    config.write_text(text, encoding="utf-8")
    process = subprocess.Popen([sys.executable, *verb, str(root)], cwd=ROOT, env=environment())
    try:
        for model in MODELS:
            wait_for(port, f"/v2/models/{model}/ready", process)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(root)
