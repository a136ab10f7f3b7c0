"""Ten thousand events, scrolled through one by one and by the screenful."""

import contextlib
import sqlite3
import time

from tests.bench.box import Box
from tests.bench.figure import Figure, quantile
from tests.bench.process import CDML
from tests.bench.terminal import Terminal

EVENTS = 10_000
KEYS = 60
# The base screen shows fewer.
FULL = 12


def measure(box: Box) -> list[Figure]:
    """Open the page of events with that many in the ledger, and move in it."""
    _fill(box)
    with Terminal([*CDML, "-w", str(box.workspace)]) as terminal:
        terminal.until(lambda text: "champion" in text)
        terminal.settle(0.3, 2.0)
        pressed = time.monotonic()
        terminal.press("e")
        opened = terminal.until(lambda text: text.count("made up") > FULL) - pressed
        took = [_key(terminal, key) for key in "jjjk" * (KEYS // 4)]
        took += [_key(terminal, key) for key in ("\x1b[6~", "\x1b[5~", "G", "g") * 4]
    return [
        Figure(f"page of {EVENTS:,} events open", opened * 1000, "ms", 1),
        quantile(f"key to changed screen among {EVENTS:,} events", took, 50, "ms", 15),
        quantile(f"key to changed screen among {EVENTS:,} events", took, 95, "ms", 40),
    ]


def _fill(box: Box) -> None:
    """Write the events straight into the ledger; the engine is up and sees them."""
    rows = [
        ("2026-01-01T00:00:00Z", "INFO", "bench", "late", f"made up {at}") for at in range(EVENTS)
    ]
    sql = "insert into events (time, level, kind, model, text) values (?, ?, ?, ?, ?)"
    ledger = sqlite3.connect(box.workspace / "ledger.sqlite", timeout=30)
    with contextlib.closing(ledger) as link, link:
        link.executemany(sql, rows)


def _key(terminal: Terminal, key: str) -> float:
    terminal.settle(0.03, 0.5)
    before, pressed = terminal.text, time.monotonic()
    terminal.press(key)
    return (terminal.until(lambda text: text != before, 3.0) - pressed) * 1000
