"""Opening the metric store after whatever happened: evidence aside first, then what still opens.

DuckDB opens silently without the rows of a write-ahead log that is missing or whose first bytes are
damaged, and refuses one that is damaged elsewhere. So every commit is counted in the store, and
the count that the ledger noted last says what must be there.
"""

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.errors import CorruptError
from engine.store.connection import Store
from engine.upgrading import Before

KEPT = 2
ROOM = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Opened:
    """A store, and what is wrong with what it holds; nothing where all that was noted is there."""

    store: Store
    suspect: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the store lies, where evidence of a damage goes, and when it is looked for.

    `before` keeps it as it was where it is upgraded, beside what else this start upgrades.
    """

    path: Path
    batches: Path
    aside: Path
    wall: datetime
    before: Before

    @property
    def log(self) -> Path:
        """Return DuckDB's write-ahead log."""
        return self.path.with_name(f"{self.path.name}.wal")

    def folder(self, why: str) -> Path:
        """Return a new folder for evidence."""
        return self.aside / f"{self.wall:%Y%m%dT%H%M%S}-{why}"


def opened(place: Place, noted: int, *, unclean: bool) -> Opened:
    """Open the store, or what of it still opens; what does not is moved aside, never deleted.

    `noted` is the count of commits that the ledger knows of; after an unclean stop the files are
    copied aside before DuckDB touches them.
    """
    copied = unclean and _copied(place)
    try:
        store = Store(place.path, place.batches, place.before)
    except CorruptError as e:
        store, lost = _without_what_is_damaged(place, e)
        return Opened(store, lost)
    if store.tide >= noted:
        return Opened(store)
    kept = f'; the files as they were found are in "{place.aside}"' if copied else ""
    return Opened(
        store,
        f"the metric store lacks {noted - store.tide} of {noted} commits: its write-ahead log was "
        f"lost or damaged{kept}",
    )


def _without_what_is_damaged(place: Place, found: CorruptError) -> tuple[Store, str]:
    """Open the file without its log, or a new one; say what was set aside."""
    if place.log.exists() and place.path.exists():
        to = _moved(place, "damaged-log", place.log)
        try:
            return Store(place.path, place.batches, place.before), (
                f'the write-ahead log of the metric store is damaged and was set aside in "{to}"; '
                f"commits since the last checkpoint are missing ({found.message})"
            )
        except CorruptError as e:
            found = e
    to = _moved(place, "damaged", place.path, place.log)
    return Store(place.path, place.batches), (
        f'the metric store is damaged and was set aside in "{to}"; a new one was begun '
        f"({found.message})"
    )


def _copied(place: Place) -> bool:
    """Copy the files aside where there is room for them; only the newest copies stay."""
    files = [f for f in (place.path, place.log) if f.is_file()]
    size = sum(f.stat().st_size for f in files)
    if not place.log.is_file() or shutil.disk_usage(place.path.parent).free < size + ROOM:
        return False  # after a checkpoint there is no log to lose
    for former in sorted(place.aside.glob("*-unclean"))[: -KEPT + 1]:
        shutil.rmtree(former)
    to = place.folder("unclean")
    to.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, to / file.name)
    return True


def _moved(place: Place, why: str, *files: Path) -> Path:
    to = place.folder(why)
    to.mkdir(parents=True, exist_ok=True)
    for file in files:
        if file.exists():
            file.rename(to / file.name)
    return to
