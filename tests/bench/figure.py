"""One measured figure beside its target, and the machine it was measured on."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its unit and n; `target` is the most it may be, None where none was set.

    With `at_least` it is the least.
    """

    name: str
    value: float
    unit: str
    n: int
    target: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Say whether the target is met, None without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target


def median(name: str, values: Sequence[float], unit: str, target: float | None = None) -> Figure:
    """Return the median of repeats as a figure."""
    return Figure(f"{name}, p50", statistics.median(values), unit, len(values), target)


def quantile(
    name: str, values: Sequence[float], pct: int, unit: str, target: float | None = None
) -> Figure:
    """Return a percentile as a figure; the nearest rank, so that it is a value that occurred."""
    ordered = sorted(values)
    at = max(0, -(-len(ordered) * pct // 100) - 1)
    return Figure(f"{name}, p{pct}", ordered[at], unit, len(ordered), target)


def machine() -> str:
    """Name the cores, the processor, the system and the Python that the figures come from."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {model}, {platform.system()}, Python {platform.python_version()}"


def load_average() -> float:
    """Return the load of the last minute: a figure taken beside other work says so."""
    return round(os.getloadavg()[0], 2)
