"""Opening metrics.duckdb: sandboxed, migrated, one writer at a time, a cursor for each reader."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Condition, Lock, Timer
from time import sleep
from typing import Any

import duckdb

from engine.errors import CorruptError, RefusedError, UnavailableError
from engine.store.compaction import begun, finished, given_up, sync_folder
from engine.store.confined import connect
from engine.store.known import Known
from engine.store.migrations import MIGRATIONS
from engine.upgrading import Before

READ_DEADLINE_S = 10.0
CHECKPOINT_TRIES, CHECKPOINT_PAUSE_S = 100, 0.1
# What does not fit into memory goes to the disk, which a query gone wild must not fill.
MOST_SPILLED = "4GB"
NO_WAY_BACK = (
    "Nothing was changed. What was upgraded is not taken back: to use this version, restore a "
    "backup, or copy the files of the newest aside/*-upgrade over those of the workspace."
)


class Store:
    """The metric store. `changes` counts commits, so that a reader knows when to look again.

    `tide` counts them over the whole life of the file: a file that has fewer than were noted
    elsewhere has lost some. After an error that ends DuckDB's instance, as a full disk makes one,
    the next use opens the file again.
    """

    def __init__(self, path: Path, batches: Path, before: Before | None = None) -> None:
        self.batches = batches
        self._before = before
        self.history = path.parent / "history"
        self.changes = 0
        self.labelled = Known()
        self._path = path
        self._fresh = path.parent / "aside" / "compact"
        self._cursors = 0
        self._idle = Condition()
        self._write_lock = Lock()
        self._opening = Lock()
        self._ended = False
        self._open()

    def _open(self) -> None:
        path = self._path
        try:
            self._db = connect(path, memory_limit="128MB", max_temp_directory_size=MOST_SPILLED)
            self._migrate(path)
            folders = ", ".join(
                f"'{_quoted(f)}/'" for f in (self.batches, self.history, self._fresh)
            )
            self._db.execute(f"set allowed_directories = [{folders}]")
            self._db.execute("set enable_external_access = false")
            self._db.execute("set lock_configuration = true")
            # All rows: a result that is not read to its end keeps its transaction open.
            self.tide = sum(n for (n,) in self._db.execute("select commits from tide").fetchall())
            self.labelled.forget()
            # A place in a table is a rowid and this: it outlives the copy to a new file.
            self.shifts: dict[str, int] = dict(
                self._db.execute("select name, shift from shifts").fetchall()
            )
        except duckdb.Error as e:
            if (half := getattr(self, "_db", None)) is not None:
                # DuckDB would hand this very instance to whoever opens a new file at the path.
                half.close()
            if is_newer(str(e)):
                raise RefusedError(
                    f'Opening the metric store "{path}": DuckDB says "{_first_line(e)}". It was '
                    f"written by a newer DuckDB: install the cdml that has it. {NO_WAY_BACK}",
                    code="newer_workspace",
                ) from e
            raise CorruptError(
                f'Opening the metric store "{path}": DuckDB says "{_first_line(e)}". Predictions '
                "go on without it. Restore it from a backup, or move it away to begin a new one.",
                code="store_unreadable",
            ) from e

    def close(self) -> None:
        """Checkpoint and close the file."""
        with self._write_lock:
            self._db.close()

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the one write transaction; an exception rolls it back."""
        with self._write_lock, self.cursor() as cursor:
            cursor.execute("begin")
            try:
                yield cursor
                cursor.execute("update tide set commits = commits + 1")
                cursor.execute("commit")
            except BaseException as e:
                _abandon(cursor)
                self._ended = self._ended or isinstance(e, duckdb.FatalException)
                if isinstance(e, duckdb.FatalException | duckdb.IOException):
                    raise UnavailableError(
                        f'Writing to the metric store: DuckDB says "{_first_line(e)}". What was '
                        "not stored stays in the spool. Free disk space; the engine tries again.",
                        code="store_unavailable",
                    ) from e
                raise
            self.changes += 1
            self.tide += 1

    def checkpoint(self) -> None:
        """Bring all that is committed from the write-ahead log into the file itself."""
        with self.still():
            pass

    @contextmanager
    def still(self) -> Iterator[Path]:
        """Keep everybody from writing, with all that is committed in the file that is yielded."""
        with self._write_lock:
            with self.cursor() as cursor:
                _checkpoint(cursor)
            yield self._path

    def damage(self) -> str:
        """Read every value once; return what DuckDB says of one that it cannot read, or nothing.

        It opens a file, counts its rows and goes on writing whatever its blocks have become.
        """
        with self.cursor() as cursor:
            tables = cursor.execute("select table_name from duckdb_tables()").fetchall()
            for (name,) in tables:
                try:
                    cursor.execute(f'select bit_xor(hash(t)) from "{name}" t').fetchall()
                except duckdb.Error as e:
                    return f"{name}: {_first_line(e)}"
        return ""

    def compact(self) -> None:
        """Copy what is alive to a new file that takes the place of this one.

        Nobody writes while what is no answer is copied; readers are waited for at the very end. A
        crash leaves either file.
        """
        self.checkpoint()
        shutil.rmtree(self._fresh, ignore_errors=True)
        self._fresh.mkdir(parents=True)
        fresh = self._fresh / self._path.name
        try:
            with self.cursor() as cursor:
                upto = begun(cursor, fresh)
            with self._write_lock:
                with self.cursor() as cursor:
                    _checkpoint(cursor)
                    finished(cursor, fresh, upto, self.shifts)
                with self._opening, self._idle:
                    self._idle.wait_for(lambda: self._cursors == 0)
                    self._db.close()
                    fresh.rename(self._path)
                    sync_folder(self._path.parent)
                    self._open()
                self.changes += 1
        except BaseException:
            with suppress(duckdb.Error), self.cursor() as cursor:
                given_up(cursor)
            raise
        finally:
            shutil.rmtree(self._fresh, ignore_errors=True)

    @contextmanager
    def read(self, deadline_s: float = READ_DEADLINE_S) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a reader of its own, interrupted at its deadline."""
        with self.cursor() as cursor:
            alarm = Timer(deadline_s, cursor.interrupt)
            alarm.daemon = True
            alarm.start()
            try:
                yield cursor
            except duckdb.InterruptException as e:
                raise UnavailableError(
                    f"Reading the metric store: no answer within {deadline_s:g} s. "
                    "Ask for a shorter window.",
                    code="read_deadline",
                ) from e
            except duckdb.OutOfMemoryException as e:
                raise UnavailableError(
                    "Reading the metric store: what was asked takes more memory than there is for "
                    "it. Ask for a shorter window.",
                    code="read_memory",
                ) from e
            finally:
                alarm.cancel()

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a cursor of its own; `read` and `write` are the ways to use one."""
        with self._opening:
            if self._ended:
                self._open_again()
            cursor = self._db.cursor()
            with self._idle:
                self._cursors += 1
        try:
            yield cursor
        finally:
            cursor.close()
            with self._idle:
                self._cursors -= 1
                self._idle.notify_all()

    def _open_again(self) -> None:
        """Leave an instance that an error has ended; whether its last commit is there is looked up.

        Raises UnavailableError while the file cannot be opened.
        """
        with suppress(duckdb.Error):
            self._db.close()
        try:
            self._open()
        except CorruptError as e:
            raise UnavailableError(e.message, code="store_unavailable") from e
        self._ended = False

    def _migrate(self, path: Path) -> None:
        self._db.execute("create table if not exists format (version integer not null)")
        row = self._db.execute("select max(version) from format").fetchone()
        found = (row[0] if row else None) or 0
        if found > len(MIGRATIONS):
            raise RefusedError(
                f'Opening the metric store "{path}": it has format {found}, this program knows '
                f"up to {len(MIGRATIONS)}. It was made by a newer cdml: install that version. "
                f"{NO_WAY_BACK}",
                code="newer_workspace",
            )
        if self._before is not None and 0 < found < len(MIGRATIONS):
            self._db.execute("checkpoint")
            shutil.copyfile(path, self._before.place(path))
        for number in range(found, len(MIGRATIONS)):
            self._db.execute("begin")
            self._db.execute(MIGRATIONS[number])
            self._db.execute("insert into format values (?)", [number + 1])
            self._db.execute("commit")


def is_newer(said: str) -> bool:
    """Say whether DuckDB refuses a file because a newer DuckDB wrote it: that is no damage."""
    words = said.lower()
    return "newer version of duckdb" in words or "we can only read version" in words


def commits_in(path: Path) -> int:
    """Return the commits of a store that nobody has open; 0 where it cannot be read."""
    try:
        with connect(path, read_only=True, threads=None) as db:
            return sum(n for (n,) in db.execute("select commits from tide").fetchall())
    except duckdb.Error:
        return 0


def insert(db: duckdb.DuckDBPyConnection, table: str, block: dict[str, Any], select: str) -> None:
    """Insert a block of NumPy columns at once; `select` names or casts them in table order."""
    db.register("block", block)
    db.execute(f"insert into {table} select {select} from block")
    db.unregister("block")  # a failed cursor ends with its transaction


def naive(moment: datetime) -> datetime:
    """Return a moment as the store keeps it: UTC without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def zoned(moment: datetime | None) -> datetime | None:
    """Return a stored time with its zone."""
    return None if moment is None else moment.replace(tzinfo=UTC)


def _checkpoint(cursor: duckdb.DuckDBPyConnection) -> None:
    """Checkpoint; DuckDB refuses for as long as a transaction of before is just ending."""
    for left in reversed(range(CHECKPOINT_TRIES)):
        try:
            cursor.execute("checkpoint")
        except duckdb.TransactionException as e:
            if not left:
                raise UnavailableError(
                    f'Emptying the log of the metric store: DuckDB says "{_first_line(e)}". '
                    "Nothing was lost; the engine tries again.",
                    code="store_unavailable",
                ) from e
            sleep(CHECKPOINT_PAUSE_S)
        else:
            return


def _abandon(cursor: duckdb.DuckDBPyConnection) -> None:
    try:
        cursor.execute("rollback")
    except duckdb.Error:
        return  # a fatal error has already ended the transaction


def _first_line(e: BaseException) -> str:
    return str(e).splitlines()[0][:300] if str(e) else type(e).__name__


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("'", "''")
