"""The console in a real terminal of 80x24: its start, what it writes, how soon a key shows."""

import time
from dataclasses import dataclass

from tests.bench import scrolling, slow_line, soak, three_am
from tests.bench.box import Box, Load, shared
from tests.bench.figure import Figure, median, quantile
from tests.bench.process import CDML, cpu_s, memory_mib, metered
from tests.bench.terminal import Terminal

STARTS = 7
KEYS = 60
BANNERS = 10
WATCH_S = 20.0
PER_SECOND = 20
SLICE_S = 0.5
# Ages younger than two minutes are shown in seconds: until then something changes every second.
RESTING_S = 125.0


def measure() -> list[Figure]:
    """Open the console again and again, then watch one."""
    box = shared()
    return [
        *_starts(box),
        *_watched(box),
        *_banner(box),
        *slow_line.measure(box, _drawn),
        *scrolling.measure(box),
        *soak.measure(),
        *three_am.measure(),
    ]


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
    """Watch one console while much changes, under keys, and with nothing going on."""
    old = box.champion()
    new = next(r.version for r in box.client.versions("late") if r.version != old)
    box.promote(new)
    box.rollback(new)
    with _console(box) as terminal:
        terminal.until(_drawn)
        terminal.settle(0.4, 2.0)
        with Load(box, PER_SECOND):
            busy = _span(terminal)
        keys = _keys(terminal)
        terminal.watch(max(0.0, box.changed_at + RESTING_S - time.monotonic()))
        calm = _span(terminal)
        memory = memory_mib(terminal.child.pid)
    seconds = int(WATCH_S)
    return [
        Figure("written after a change, under traffic", busy.written / 1000, "KB/s", seconds, 2),
        Figure("CPU after a change, under traffic", busy.cpu_pct, "%", seconds, 1.5),
        Figure("written at rest", calm.written, "B/s", seconds),
        Figure("written at rest without a change to show", calm.idle, "B/s", seconds, 0),
        Figure("CPU at rest", calm.cpu_pct, "%", seconds, 0.2),
        median("key to changed screen", keys, "ms", 15),
        quantile("key to changed screen", keys, 95, "ms", 40),
        Figure("resident memory", memory, "MiB", 1, 60),
    ]


def _banner(box: Box) -> list[Figure]:
    """Time the login's line as a shell waits for it."""
    costs = [metered([*CDML, "motd", "-w", str(box.workspace)]) for _ in range(BANNERS)]
    return [
        median("`cdml motd`, wall", [c.wall_s for c in costs], "s", 0.3),
        median("`cdml motd`, CPU", [c.cpu_s for c in costs], "s"),
    ]


@dataclass(frozen=True, slots=True)
class Span:
    """What a console wrote and used: bytes a second, those that changed nothing, CPU."""

    written: float
    idle: float
    cpu_pct: float


def _span(terminal: Terminal) -> Span:
    written, idle, used = 0, 0, cpu_s(terminal.child.pid)
    shown = terminal.text
    for _ in range(int(WATCH_S / SLICE_S)):
        came = terminal.watch(SLICE_S)
        written += came
        idle += came if terminal.text == shown else 0
        shown = terminal.text
    cpu = cpu_s(terminal.child.pid) - used
    return Span(written / WATCH_S, idle / WATCH_S, cpu / WATCH_S * 100)


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
