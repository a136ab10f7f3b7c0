"""What every step of the pipeline works with: the workspace's parts, chosen by the daemon."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol

from engine.artifacts import Artifacts
from engine.clock import Clock, iso
from engine.errors import UnavailableError, UnknownError
from engine.ledger.ledger import Ledger
from engine.settings import ModelSettings, Settings
from engine.store.connection import Store
from engine.wire import EventRow
from engine.workspace import Workspace

log = logging.getLogger("cdml.engine")


class Serving(Protocol):
    """What the pipeline asks of the serving process."""

    def sync(self, model: str | None = None) -> Mapping[str, int]:
        """Make serving obey the ledger for one model or all; return the generations in force."""

    def probe(self, model: str, version: str, rows: Sequence[Mapping[str, Any]]) -> Any:
        """Return what a version answers to rows, in the real serving process."""

    def loaded(self, model: str) -> Sequence[str]:
        """Return the versions of a model that serving holds in memory, as last heard."""

    def p95_ms(self, model: str) -> Mapping[str, float]:
        """Return the 95th percentile of each version's last answers, as last heard."""


@dataclass(slots=True)
class Control:
    """What moving a role needs, and all that works while the metric store is broken.

    `settings` is replaced as a whole on reload.
    """

    workspace: Workspace
    settings: Settings
    ledger: Ledger
    artifacts: Artifacts
    clock: Clock
    serving: Serving
    told: Callable[[EventRow], None]

    def model(self, name: str) -> ModelSettings:
        """Return a model's settings; UnknownError names the models there are."""
        try:
            return self.settings.models[name]
        except KeyError:
            known = ", ".join(self.settings.models) or "none"
            raise UnknownError(
                f'Looking for model "{name[:80]}": cdml.toml has no such model. Known: {known}.',
                code="unknown_model",
                field="model",
            ) from None

    def tell(self, level: str, kind: str, model: str | None, text: str) -> None:
        """Write one fact for people and wake the consoles.

        A fact that cannot be written, on a full disk, never hides what it is about.
        """
        try:
            self.told(self.ledger.tell(self.clock.now(), level, kind, model, text))
        except UnavailableError as e:
            log.warning("not told: %s %s (%s)", kind, text, e.message)

    def confirm(self, model: str) -> None:
        """Wait until serving answers with the ledger's generation; UnavailableError otherwise."""
        wanted = self.ledger.roles(model).generation
        try:
            found = self.serving.sync(model).get(model, -1)
            why = f"still answers with generation {found}"
        except UnavailableError as e:
            found, why = -1, f"did not confirm it ({e.message})"
        if found < wanted:
            raise UnavailableError(
                f"Confirming generation {wanted} of {model}: it is recorded, but the prediction "
                f"service {why}. It obeys the record as soon as it answers; look with cdml status.",
                code="unconfirmed",
            )

    def moment(self) -> str:
        """Return the decision time as text."""
        return iso(self.clock.now())


@dataclass(slots=True)
class Site(Control):
    """All parts of one workspace, the metric store among them.

    `untaken` remembers why a waiting file could not be taken in, so that it is told once.
    """

    store: Store
    seed: int
    ingesting: Lock = field(default_factory=Lock)
    untaken: dict[str, str] = field(default_factory=dict)
