"""Where the history of a model comes from: accepted batches, files that wait, or files named."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from engine.artifacts import Artifacts
from engine.backtest.serving import Replayed
from engine.clock import SystemClock
from engine.errors import CdmlError, InvalidError, UnavailableError
from engine.ledger.ledger import Ledger
from engine.pipeline import train
from engine.pipeline.ingest import ingest
from engine.pipeline.site import Site
from engine.settings import Settings
from engine.store import history
from engine.store.connection import Store
from engine.store.snapshots import Table
from engine.workspace import Workspace

TRIES = 5


def write(
    workspace: Workspace, settings: Settings, model: str, files: Sequence[Path], out: Path
) -> list[str]:
    """Write the history of a model to `out`; return where it came from, in sentences."""
    scratch = out / "past"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        if not files and workspace.store.exists():
            table = _accepted(workspace, settings, model, scratch)
            if table.paths:
                history.write(table, out / "history.parquet")
                return [f"{len(table.paths)} accepted batches of the workspace"]
        given = list(files) or sorted(
            p for p in workspace.incoming(model).glob("*") if p.is_file() and p.name[0] != "."
        )
        if not given:
            raise InvalidError(
                f"Looking for the history of {model}: the workspace has no accepted batch and no "
                f'file in "{workspace.incoming(model)}". Deliver files there, or name some with '
                "--data FILE.",
                code="no_data",
            )
        table, said = _ingested(settings, model, given, scratch)
        history.write(table, out / "history.parquet")
        return said
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _accepted(workspace: Workspace, settings: Settings, model: str, scratch: Path) -> Table:
    """Return the accepted batches, from copies: an engine may hold the real files."""
    copies = Workspace(scratch)
    copies.create([model])
    for real, copy in ((workspace.ledger, copies.ledger), (workspace.store, copies.store)):
        _copied(real, copy)
    site = _site(copies, settings)
    try:
        table = train.table_of(site, model, settings.models[model])
    finally:
        _close(site)
    real_paths = [str(workspace.batches / Path(p).name) for p in table.paths]
    return Table(real_paths, table.target, table.time, table.label_time, table.id, table.without)


def _copied(real: Path, copy: Path) -> None:
    """Copy a database and its log; once more where it was written to meanwhile."""
    pairs = [
        (real.with_name(real.name + end), copy.with_name(copy.name + end))
        for end in ("", "-wal", ".wal")
    ]
    for _ in range(TRIES):
        before = [_mark(a) for a, _ in pairs]
        for a, b in pairs:
            if a.exists():
                shutil.copyfile(a, b)
        if before == [_mark(a) for a, _ in pairs]:
            return
    raise UnavailableError(
        f'Reading "{real.name}" of the workspace: it is being written to all the time. Try again '
        "later, or name files with --data.",
        code="busy",
    )


def _mark(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns


def _ingested(
    settings: Settings, model: str, files: Sequence[Path], scratch: Path
) -> tuple[Table, list[str]]:
    """Take copies of files in as an engine would; return the table that is accepted."""
    copies = Workspace(scratch)
    copies.create([model])
    site = _site(copies, settings)
    said = []
    try:
        for path in files:
            copy = copies.incoming(model) / path.name
            try:
                shutil.copyfile(path, copy)
            except OSError as e:
                raise InvalidError(
                    f'Reading "{path}": {e.strerror}. Name a file that can be read.',
                    code="no_file",
                    field="data",
                ) from e
            found = ingest(site, model, copy)
            why = f": {'; '.join(found.reasons)}" if found.reasons else ""
            said.append(f"{path.name} {found.verdict.replace('_', ' ')}{why}")
        table = train.table_of(site, model, settings.models[model])
    finally:
        _close(site)
    if not table.paths:
        raise CdmlError(
            f"Reading the history of {model}: no file was accepted. {'; '.join(said)}",
            code="no_data",
        )
    kept = scratch.with_name("batches")  # the scratch goes when the history is written
    shutil.rmtree(kept, ignore_errors=True)
    shutil.move(copies.batches, kept)
    paths = [str(kept / Path(p).name) for p in table.paths]
    moved = Table(paths, table.target, table.time, table.label_time, table.id, table.without)
    return moved, said


def _site(copies: Workspace, settings: Settings) -> Site:
    ledger = Ledger(copies.ledger)
    artifacts = Artifacts(copies.artifacts, copies.keys)
    serving = Replayed(ledger, artifacts, "id")
    store = Store(copies.store, copies.batches)
    return Site(
        copies, settings, ledger, artifacts, SystemClock(), serving, lambda _: None, store, 0
    )


def _close(site: Site) -> None:
    site.store.close()
    site.ledger.close()
