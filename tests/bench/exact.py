"""The exact report of one file against another, as `cdml drift` gives it."""

from tests.bench.figure import Figure, median
from tests.bench.pairs import Pair
from tests.bench.process import CDML, metered


def measure(
    pair: Pair, repeats: int, cpu_s: float | None = None, peak_mib: float | None = None
) -> list[Figure]:
    """Report a few times and return the medians; the last two are targets."""
    files = ["--reference", str(pair.reference), "--current", str(pair.current)]
    costs = [metered([*CDML, "drift", *files, "--json"]) for _ in range(repeats)]
    what = f"exact report of {pair.size} against as many"
    return [
        median(f"{what}, CPU", [c.cpu_s for c in costs], "s", cpu_s),
        median(f"{what}, wall", [c.wall_s for c in costs], "s"),
        median(f"{what}, peak memory", [c.peak_mib for c in costs], "MiB", peak_mib),
    ]
