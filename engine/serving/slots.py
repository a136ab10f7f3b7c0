"""The loaded versions and who answers: one immutable table, replaced by one assignment.

Versions are loaded in a thread and proven on their probe rows before they are offered. What fails
to load changes nothing that serves.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from engine.artifacts import Artifacts, Manifest
from engine.domain.roles import Roles
from engine.errors import CdmlError, CorruptError, UnknownError
from engine.ledger.ledger import Ledger, Version
from engine.serving.footprint import give_back
from engine.serving.served import Served, proven

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Slot:
    """Who answers one model. `roles` are those in force; generation counts their changes."""

    model: str
    roles: Roles
    champion: Served
    canary: Served | None = None
    shadow: Served | None = None

    @property
    def generation(self) -> int:
        """Return the generation that these roles came with."""
        return self.roles.generation


@dataclass(frozen=True, slots=True)
class Table:
    """All models at one instant; `number` grows with each swap."""

    number: int
    known: frozenset[str]
    slots: Mapping[str, Slot]


class Slots:
    """Keeps the table as the ledger wants it. Everything but loading runs on the event loop."""

    def __init__(
        self, ledger: Ledger, artifacts: Artifacts, on_swap: Callable[[Table], None]
    ) -> None:
        self._ledger = ledger
        self._artifacts = artifacts
        self._on_swap = on_swap
        self._wanted: dict[str, Roles] = {}
        self._pool: dict[Key, Served] = {}
        self._loading: dict[Key, asyncio.Task[None]] = {}
        self._reading = asyncio.Lock()
        self.loader = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self.failures: dict[Key, str] = {}
        self.table = Table(0, frozenset(), {})

    async def sync(self, only: str | None = None, *, retry: bool = True) -> None:
        """Read the ledger and return when the roles it names are in force or known not to load.

        With `only`, what other models still load is not waited for.

        A way back that is in memory is taken at once, whatever else is being loaded.
        """
        async with self._reading:
            self._wanted = await asyncio.to_thread(self._read)
            if retry:
                self.failures.clear()
            self._settle()
        first = {
            (m, v): self._load((m, v)) for m, roles in self._wanted.items() for v in _needed(roles)
        }
        waited = [task for (m, _), task in first.items() if task and only in (None, m)]
        await asyncio.gather(*waited)
        for model, roles in self._wanted.items():
            for version in roles.loaded():
                self._load((model, version))

    async def settled(self) -> None:
        """Wait until nothing is being loaded any more."""
        while self._loading:
            await asyncio.gather(*self._loading.values())

    def changed(self) -> bool:
        """Say whether the ledger's generations differ from what was last read."""
        known = {model: roles.generation for model, roles in self._wanted.items()}
        return self._ledger.generations() != known

    def loaded(self, model: str) -> list[str]:
        """Return the versions of a model that are in memory."""
        return [v for m, v in self._pool if m == model]

    def standby(self, slot: Slot) -> list[Served]:
        """Return the ways back of a slot that are in memory."""
        found = (self._pool.get((slot.model, version)) for version in slot.roles.standby)
        return [served for served in found if served and served is not slot.champion]

    def memory(self) -> dict[Key, int]:
        """Return what each version in memory holds, in bytes."""
        return {key: served.memory for key, served in self._pool.items()}

    def failed(self, model: str) -> dict[str, str]:
        """Return why versions of a model could not be loaded."""
        return {v: why for (m, v), why in self.failures.items() if m == model}

    async def served(self, model: str, version: str) -> Served:
        """Return a version for a probe; one not in memory is loaded and not kept."""
        if found := self._pool.get((model, version)):
            return found
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.loader, self._open, (model, version))

    def close(self) -> None:
        """Let the loader thread end."""
        self.loader.shutdown(wait=False, cancel_futures=True)

    def _read(self) -> dict[str, Roles]:
        return {model: self._ledger.roles(model) for model in self._ledger.models()}

    def _load(self, key: Key) -> "asyncio.Task[None] | None":
        """Begin to load a version unless it is there, under way, or known not to load."""
        if key in self._pool or key in self.failures:
            return None
        if key not in self._loading:
            self._loading[key] = asyncio.get_running_loop().create_task(self._load_one(key))
        return self._loading[key]

    async def _load_one(self, key: Key) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._pool[key] = await loop.run_in_executor(self.loader, self._open, key)
        except CdmlError as e:
            self.failures[key] = e.message
        except Exception as e:  # noqa: BLE001 - polling worker: whatever a file does, serving goes on
            self.failures[key] = f"Loading {key[1]} of {key[0]}: it failed with {e!r:.200}."
        finally:
            del self._loading[key]
        if key in self.failures:
            logging.getLogger("cdml.serving").error("%s", self.failures[key])
        self._settle()

    def _open(self, key: Key) -> Served:
        """Load one version and prove it on its probe rows. Runs in the loader thread."""
        model, version = key
        found = self._ledger.version(model, version)
        digest = found.manifest
        if digest is None:
            raise UnknownError(
                f"Loading {version} of {model}: it was never sealed. What serves stays.",
                code="not_sealed",
            )
        try:
            loaded = self._artifacts.load(digest)
            _check_sealed_as(found, loaded.manifest)
            return proven(model, version, loaded)
        finally:
            give_back()

    def _settle(self) -> None:
        """Swap to what the ledger wants as far as it is loaded; the one assignment is here."""
        slots = dict(self.table.slots)
        for model, roles in self._wanted.items():
            if slot := self._slot(model, roles):
                slots[model] = slot
        known = frozenset(self._wanted)
        slots = {model: slot for model, slot in slots.items() if model in known}
        if slots != self.table.slots or known != self.table.known:
            self.table = Table(self.table.number + 1, known, slots)
            self._on_swap(self.table)
        self._forget()

    def _slot(self, model: str, roles: Roles) -> Slot | None:
        """Return the slot for these roles, or None while the present one must stay."""
        champion = self._pool.get((model, roles.champion or ""))
        if champion is None and (model, roles.champion or "") in self.failures:
            champion = self._stand_in(model, roles)
        others = [v for v in (roles.canary, roles.shadow) if v]
        waiting = [v for v in others if (model, v) not in self._pool]
        if champion is None or any((model, v) not in self.failures for v in waiting):
            return None
        canary = self._pool.get((model, roles.canary or ""))
        shadow = self._pool.get((model, roles.shadow or ""))
        if canary is None and roles.canary:
            roles = replace(roles, canary=None, canary_share_pct=0.0)
        return Slot(model, roles, champion, canary, shadow)

    def _stand_in(self, model: str, roles: Roles) -> Served | None:
        """Return who answers for a champion that cannot be loaded while none serves: a standby.

        What serves already stays; else an answer by the last known good is better than none.
        """
        if model in self.table.slots:
            return None
        loaded = (self._pool.get((model, version)) for version in roles.standby)
        return next((served for served in loaded if served), None)

    def _forget(self) -> None:
        """Let go of versions that neither the ledger nor the table needs."""
        kept = {(m, v) for m, roles in self._wanted.items() for v in roles.loaded()}
        kept |= {(s.model, s.version) for s in _in_use(self.table.slots.values())}
        gone = [k for k in self._pool if k not in kept]
        for key in gone:
            del self._pool[key]
        if gone:
            self.loader.submit(give_back)


def _check_sealed_as(found: Version, manifest: Manifest) -> None:
    """Raise CorruptError where the ledger names files for a version that another run sealed."""
    if (manifest.run, manifest.safe_mode) != (found.run, found.safe_mode):
        raise CorruptError(
            f"Loading {found.version} of {manifest.model}: the ledger says that {found.run} made "
            f"it, its files say {manifest.run}. It was not loaded and what serves stays. Find out "
            "who can write to ledger.sqlite, and restore it from a backup.",
            code="wrong_files",
        )


def _needed(roles: Roles) -> list[str]:
    return [v for v in (roles.champion, roles.canary, roles.shadow) if v]


def _in_use(slots: Iterable[Slot]) -> Iterable[Served]:
    for slot in slots:
        yield slot.champion
        yield from (s for s in (slot.canary, slot.shadow) if s)
