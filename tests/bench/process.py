"""What the kernel knows of a process, and what a command cost from its start to its end."""

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_INSTALLED = Path(sys.executable).with_name("cdml")
CDML = [str(_INSTALLED)] if _INSTALLED.exists() else [sys.executable, "-m", "cdml_tui.cli"]
TICKS = os.sysconf("SC_CLK_TCK")

# A process of its own, small and new: the peak memory that the kernel reports for a child begins
# with that of whoever started it.
_METER = """
import json, os, sys, time
began = time.monotonic()
null = os.open(os.devnull, os.O_RDWR)
actions = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions)
_, status, used = os.wait4(child, 0)
cpu = used.ru_utime + used.ru_stime
found = [time.monotonic() - began, cpu, used.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)]
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one command."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    code: int = 0


def environment() -> dict[str, str]:
    """Return our environment with the project importable in every process that we start."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def cdml(*args: str, fine: tuple[int, ...] = (0,)) -> str:
    """Run a command to its end and return what it answered."""
    run = subprocess.run(
        [*CDML, *args], env=environment(), capture_output=True, text=True, check=False
    )
    if run.returncode not in fine:
        sys.exit(f"cdml {' '.join(args)} ended with {run.returncode}: {run.stderr}")
    return run.stdout


def metered(command: list[str], *, may_fail: bool = False) -> Cost:
    """Run a command alone and return what it cost, with its exit code."""
    meter = [sys.executable, "-I", "-S", "-c", _METER, *command]
    run = subprocess.run(meter, env=environment(), capture_output=True, text=True, check=True)
    wall, cpu, peak, code = json.loads(run.stdout)
    if code != 0 and not may_fail:
        sys.exit(f"{' '.join(command)} ended with {code}")
    return Cost(wall, cpu, peak, code)


def cpu_s(pid: int) -> float:
    """Return the CPU seconds a process has used; 0 where it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def family(pid: int) -> list[int]:
    """Return a process and all that it started, as far as they live."""
    found = [pid]
    for parent in found:
        for file in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in file.read_text(encoding="utf-8").split()]
    return found


def family_cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process and its living children have used."""
    return sum(cpu_s(member) for member in family(pid))


def memory_mib(pid: int, field: str = "VmRSS") -> float:
    """Return the resident memory of a process, or its peak as "VmHWM"; 0 where it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    for line in text.splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0.0
