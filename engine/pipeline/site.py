"""What every step of the pipeline works with: the workspace's parts, chosen by the daemon."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from engine.artifacts import Artifacts
from engine.clock import Clock, iso
from engine.errors import UnavailableError, UnknownError
from engine.ledger.ledger import Ledger
from engine.settings import ModelSettings, Settings
from engine.store.connection import Store
from engine.wire import EventRow, PlanCheck
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.pipeline.sent import Watched
    from engine.pipeline.trusted import Trust
    from engine.stats.days import Delivered

    History = tuple[tuple[str, ...], Delivered | None]

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

    def memory(self, model: str) -> Mapping[str, int]:
        """Return the bytes that each version in memory holds."""

    def tallies(self, model: str) -> Mapping[str, tuple[int, int]]:
        """Return rows answered and rows failed of each version since the generation began."""

    def refusals(self, model: str) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Return rows that each champion's contract refused since the generation began.

        And how many of these each other version in memory would have taken.
        """


@dataclass(frozen=True, slots=True)
class Taken:
    """How many of the newest live rows a version's contract takes, and the first fault found."""

    share: float
    n: int
    fault: str = ""

    @property
    def said(self) -> str:
        """Say it in half a sentence."""
        fault = f": {self.fault}" if self.fault else ""
        return f"takes {round(self.share * self.n)} of the newest {self.n} live rows{fault}"


@dataclass(frozen=True, slots=True)
class Ready:
    """What was last proven of a model's way back: at which generation, when, of which target.

    `fresh` says whether live rows of that generation were among those tried, `store` how often the
    store had changed by then.
    """

    generation: int
    looked: float
    target: str | None
    checks: list[PlanCheck]
    taken: dict[str, Taken]
    fresh: bool
    store: int


@dataclass(slots=True)
class Control:
    """What moving a role needs, and all that works while the metric store is broken.

    `settings` is replaced as a whole on reload; `ready` is kept up to date in the background;
    `signing` is held while the signs of an attack are changed.
    """

    workspace: Workspace
    settings: Settings
    ledger: Ledger
    artifacts: Artifacts
    clock: Clock
    serving: Serving
    told: Callable[[EventRow], None]
    ready: dict[str, Ready] = field(default_factory=dict, kw_only=True)
    signing: Lock = field(default_factory=Lock, kw_only=True)

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

        A fact that cannot be written, on a full disk, never hides what it is about, and whoever is
        told of facts hears of it all the same: it has no number then.
        """
        incident = self.ledger.incidents.standing(model) if model and level == "ACT" else None
        if incident is not None:
            text = f"{text} (incident {incident.number})"
        now = self.clock.now()
        try:
            fact = self.ledger.tell(now, level, kind, model, text)
        except UnavailableError as e:
            log.warning("not written: %s %s (%s)", kind, text, e.message)
            fact = EventRow(0, iso(now), level, kind, model, text)  # type: ignore[arg-type]
        self.told(fact)

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

    `untaken` remembers why a waiting file could not be taken in, so that it is told once; `watched`
    is what clients sent lately, `rehashed` when a version's files were last read again,
    `chained` when the audit was last followed and what was wrong, `looked` when and after how many
    changes of the store the log was last looked at,
    `compared` when the sources of labels last were; by `trusted` and `histories` new batches are
    judged, with `judging` off, in a replay, none: they were when they came. `suspect` says what the
    metric store has lost, until that is loaded again. `batch_marks` are what the file system said
    of batches that were found whole, when they were last looked at.
    """

    store: Store
    seed: int
    ingesting: Lock = field(default_factory=Lock)
    untaken: dict[str, str] = field(default_factory=dict)
    watched: dict[str, "Watched"] = field(default_factory=dict)
    rehashed: dict[tuple[str, str], float] = field(default_factory=dict)
    chained: tuple[float, str] = (-1e9, "")
    looked: tuple[float, int] = (-1e9, -1)
    compared: dict[str, datetime] = field(default_factory=dict)
    batches_looked: float = -1e9
    batch_marks: dict[str, tuple[int, ...]] = field(default_factory=dict)
    trusted: dict[str, "Trust"] = field(default_factory=dict)
    histories: dict[str, "History"] = field(default_factory=dict)
    judging: bool = True
    suspect: str = ""
    backing_up: Lock = field(default_factory=Lock)
