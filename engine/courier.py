"""Tells a collector of traces what the record says, in a thread of its own; off unless asked for.

What is not taken stays in the record and is told later; numbers that are not taken are old news.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

from engine.errors import CdmlError
from engine.pipeline import traced
from engine.pipeline.figures import Figures
from engine.pipeline.site import Site
from engine.pipeline.traced import ns
from engine.telemetry import secrets
from engine.telemetry.otlp import Collector
from engine.telemetry.tracer import about

PAUSE_S = 2.0
LONGEST_S = 60.0
NUMBERS_S = 15.0
CLOSE_S = 2.0
log = logging.getLogger("cdml.telemetry")


class Courier:
    """One collector of one engine. `tell` says in the events, once, that it does not take."""

    def __init__(
        self, site: Site, figures: Figures, version: str, tell: Callable[[str, str], None]
    ) -> None:
        self._site = site
        self._figures = figures
        self._version = version
        self._tell = tell
        self._ending = Event()
        self._thread = Thread(target=self._loop, daemon=True, name="courier")
        self._thread.start()

    def close(self) -> None:
        """End; what was not told is told after the next start."""
        self._ending.set()
        self._thread.join(CLOSE_S)

    def _loop(self) -> None:
        collector: Collector | None = None
        pause, said, numbered = PAUSE_S, False, -1e9
        began = self._first()
        while not self._ending.wait(pause):
            found = "it does not take what it is handed"
            try:
                collector = collector or self._collector()
                taken = self._told(collector)
                now = self._site.clock.monotonic()
                if taken and now - numbered >= NUMBERS_S:
                    shown = self._figures.shown().collect()
                    taken = collector.take_numbers(shown, began, self._now())
                    numbered = now if taken else numbered
            except CdmlError as e:
                taken, found = False, e.message
            except Exception as e:  # noqa: BLE001 - the edge of a thread: said, and tried again
                taken, found = False, f"{type(e).__name__} met"
            if self._ending.is_set():
                break
            pause = PAUSE_S if taken else min(2 * pause, LONGEST_S)
            if taken == said:
                said = not taken
                text = "takes again" if taken else f"{found}; tried again, no trace is lost"
                self._tell("INFO" if taken else "WARN", text)
        if collector is not None:
            collector.close()

    def _collector(self) -> Collector:
        settings = self._site.settings
        path: Path = self._site.workspace.root / settings.telemetry.secrets
        told = about("engine", self._version, settings.workspace.name)
        return Collector(settings.telemetry.otlp or "", secrets.headers(path), told)

    def _told(self, collector: Collector) -> bool:
        """Hand over what happened since; say whether all of it was taken."""
        while not self._ending.is_set():
            since = traced.told(self._site)
            spans, until = traced.fresh(self._site, since)
            if until == since:
                return True
            if not collector.take_spans(spans):
                return False
            traced.tell(self._site, until)
        return True

    def _first(self) -> int:
        """Return since when there is anything to count: the record's first entry."""
        found = self._site.ledger.entries_after(0, 1)
        return ns(found[0].wall) if found else self._now()

    def _now(self) -> int:
        return int(self._site.clock.wall().timestamp() * 1e9)
