"""What of the engine goes out to others: its numbers, and messages about what happens."""

from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import TYPE_CHECKING

from engine.api.outward import Outward
from engine.clock import iso
from engine.errors import CdmlError, UnknownError
from engine.jobs import triggers
from engine.pipeline import alerts
from engine.pipeline.figures import Figures
from engine.pipeline.site import Site
from engine.settings import Settings
from engine.telemetry.listener import Listener
from engine.telemetry.notifier import Target
from engine.telemetry.stalls import Stalls
from engine.wire import EventRow, NotifyRow

if TYPE_CHECKING:
    from engine.courier import Courier


class Outlets(Outward):
    """The ways out, as the settings have them; a way that cannot be opened hurts nobody."""

    def __init__(self, site: Site, stalls: Stalls) -> None:
        self._site = site
        self._figures = Figures(site, stalls, lambda: triggers.rows(site), self.targets)
        self._listener: Listener | None = None
        self._listens: str | None = None
        self._targets: dict[str, Target] = {}
        self._applied: Settings | None = None
        self._courier: Courier | None = None

    def apply(self) -> None:
        """Open and close what the settings of now ask for; what cannot be opened is told."""
        now, before = self._site.settings, self._applied
        self._applied = now
        if now.telemetry.listen != self._listens or self._listener is None:
            self._listen(now.telemetry.listen)
        if before is None or (now.notify, now.workspace) != (before.notify, before.workspace):
            self._close_targets()
            self._targets = {name: self._target(name) for name in now.notify.targets}

        if before is None or now.telemetry != before.telemetry:
            self._send(now.telemetry.otlp)

    def close(self) -> None:
        """Close all of them."""
        self._send(None)
        self._listen(None)
        self._close_targets()

    def told(self, event: EventRow) -> None:
        """Hand a fact to whoever may want it; never waits."""
        for target in self._targets.values():
            target.offer(event)

    # -- Outward

    def metrics(self) -> bytes:
        return self._figures.text()

    def targets(self) -> list[NotifyRow]:
        return [target.row() for target in self._targets.values()]

    def test(self, target: str | None, by: str) -> list[NotifyRow]:
        chosen = [t for name, t in self._targets.items() if target in (None, name)]
        if not chosen:
            known = ", ".join(self._targets) or "none"
            raise UnknownError(
                f'Telling target "{(target or "")[:40]}": cdml.toml has no such target. Known: '
                f"{known}. Write one as [notify.targets.NAME], then cdml reload.",
                code="unknown_target",
                field="target",
            )
        now = iso(self._site.clock.wall())
        fact = EventRow(0, now, "INFO", "notify", None, f"a test, asked for by {by}")
        with ThreadPoolExecutor(len(chosen)) as together:  # each may take until its deadline
            return list(together.map(lambda t: t.test(fact), chosen))

    # -- plumbing

    def _listen(self, listen: str | None) -> None:
        if self._listener is not None:
            self._listener.close()
        self._listens, self._listener = listen, None
        try:
            if listen is not None:
                self._listener = Listener(listen, self.metrics)
        except CdmlError as e:
            self._site.tell("WARN", "telemetry", None, e.message)

    def _send(self, otlp: str | None) -> None:
        if self._courier is not None:
            self._courier.close()
        self._courier = None
        if otlp is not None:
            from engine.courier import Courier

            site, told = self._site, f"the collector {otlp}"
            self._courier = Courier(
                site, self._figures, version("cdml"),
                lambda level, text: site.tell(level, "telemetry", None, f"{told}: {text}"),
            )  # fmt: skip

    def _target(self, name: str) -> Target:
        site = self._site

        def tell(level: str, text: str) -> None:
            site.tell(level, "notify", None, text)

        def stands(fact: EventRow) -> bool:
            """Say whether others stand where an alert, or a target that fails, is over."""
            if fact.level != "INFO" or fact.kind not in ("alert", "notify"):
                return False
            if fact.model is None:
                return any(row.missing for row in self.targets())
            return bool(alerts.standing(site, fact.model))

        return Target(
            name, site.settings, site.workspace.root, site.clock, site.ledger, tell, stands
        )

    def _close_targets(self) -> None:
        for target in self._targets.values():
            target.close()
        self._targets = {}
