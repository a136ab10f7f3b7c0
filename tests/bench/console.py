"""The console in a real terminal of 80x24: its start, what it writes, how soon a key shows."""

import time

from tests.bench.box import Box, Load, shared
from tests.bench.figure import Figure, median, quantile
from tests.bench.process import CDML, cpu_s, memory_mib
from tests.bench.terminal import Terminal

STARTS = 7
KEYS = 60
WATCH_S = 20.0
PER_SECOND = 20


def measure() -> list[Figure]:
    """Open the console again and again, then watch one."""
    box = shared()
    return [*_starts(box), *_watched(box)]


def _drawn(text: str) -> bool:
    """Say whether the versions pane has its rows."""
    return "Versions" in text and "champion" in text


def _starts(box: Box) -> list[Figure]:
    ready: list[float] = []
    cpu: list[float] = []
    first: list[float] = []
    for _ in range(STARTS):
        with _console(box) as terminal:
            ready.append(terminal.until(_drawn) - terminal.began)
            cpu.append(cpu_s(terminal.child.pid))
            terminal.settle()
            first.append(terminal.bytes / 1000)
    return [
        median("ready: from exec to the versions drawn", ready, "s", 0.8),
        median("CPU until ready", cpu, "s", 0.45),
        Figure("first 80x24 screen, most", max(first), "KB", len(first), 12),
    ]


def _watched(box: Box) -> list[Figure]:
    """Watch one console with nothing going on, under keys, and with the state changing."""
    with _console(box) as terminal:
        terminal.until(_drawn)
        terminal.settle()
        terminal.watch(2.0)
        pid = terminal.child.pid
        used = cpu_s(pid)
        calm = terminal.watch(WATCH_S)
        calm_cpu = cpu_s(pid) - used
        keys = _keys(terminal)
        with Load(box, PER_SECOND):
            terminal.watch(3.0)
            used = cpu_s(pid)
            busy = terminal.watch(WATCH_S)
            busy_cpu = cpu_s(pid) - used
        memory = memory_mib(pid)
    return [
        Figure("written when nothing changes", calm / WATCH_S, "B/s", int(WATCH_S), 0),
        Figure(
            f"written with {PER_SECOND} requests/s", busy / WATCH_S / 1000, "KB/s", int(WATCH_S), 2
        ),
        Figure("CPU when nothing changes", calm_cpu / WATCH_S * 100, "%", int(WATCH_S), 0.2),
        Figure(
            f"CPU with {PER_SECOND} requests/s", busy_cpu / WATCH_S * 100, "%", int(WATCH_S), 1.5
        ),
        median("key to changed screen", keys, "ms", 15),
        quantile("key to changed screen", keys, 95, "ms", 40),
        Figure("resident memory", memory, "MiB", 1, 60),
    ]


def _keys(terminal: Terminal) -> list[float]:
    took: list[float] = []
    for at in range(KEYS):
        terminal.settle(0.05, 0.5)
        before = terminal.text
        pressed = time.monotonic()
        terminal.press("jk"[at % 2])
        took.append((terminal.until(lambda text, was=before: text != was, 3.0) - pressed) * 1000)  # type: ignore[misc]
    return took


def _console(box: Box) -> Terminal:
    return Terminal([*CDML, "-w", str(box.workspace)])
