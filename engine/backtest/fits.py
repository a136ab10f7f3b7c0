"""Training and scoring in this process. What two policies would fit alike is fitted once.

A fit is a function of its inputs alone, so what came of it is kept under their digest.
"""

import fcntl
import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from engine.clock import parse_time
from engine.pipeline import candidates, enough, fitting, scoring
from engine.pipeline.fitting import TrainInputs, TrainResult
from engine.pipeline.scoring import ValidateInputs
from engine.store import snapshots

# What a training records of its run and the fit does not depend on.
OF_THE_RUN = ("run", "created_at", "newer_than", "parent", "again")


class Run(Protocol):
    """What is asked of a run: where it leaves files."""

    @property
    def folder(self) -> Path:
        """Return where its files lie."""


class Fits:
    """Measures for runs; `saved_s` is the CPU that fits of others have saved this process."""

    def __init__(self, folder: Path, root: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._root = root
        self.saved_s = 0.0

    def work(self, run: Run, verb: str, inputs: object) -> bytes:
        """Run a measuring verb here and return its result as a job would leave it."""
        run.folder.mkdir(parents=True, exist_ok=True)
        if verb == "train" and isinstance(inputs, TrainInputs):
            # A recipe of the user's own lies in the real workspace.
            inputs = msgspec.structs.replace(inputs, root=str(self._root))
            return msgspec.json.encode(self._trained(run.folder, inputs))
        assert isinstance(inputs, ValidateInputs)
        # A time would be of this machine today, and the same backtest come to something else.
        found = msgspec.structs.replace(scoring.score(inputs, _silent), latency_ms={})
        return msgspec.json.encode(found)

    def _trained(self, into: Path, inputs: TrainInputs) -> TrainResult:
        kept = self._folder / _digest(inputs)
        with _locked(kept.with_suffix(".lock")):
            if not (kept / "result.json").exists():
                began = time.process_time()
                kept.mkdir(exist_ok=True)
                found = fitting.fit(inputs, kept, _silent)
                (kept / "cpu_s").write_text(str(time.process_time() - began), encoding="utf-8")
                _write(kept / "result.json", msgspec.json.encode(found))
            else:
                _check_newer(inputs)
                self.saved_s += float((kept / "cpu_s").read_text(encoding="utf-8"))
        for made in kept.glob("*.skops"):
            shutil.copyfile(made, into / made.name)
        return _of_run(
            msgspec.json.decode((kept / "result.json").read_bytes(), type=TrainResult), inputs
        )


def _of_run(found: TrainResult, inputs: TrainInputs) -> TrainResult:
    """Return a result as if this run had fitted it."""
    own = {"run": inputs.run, "created_at": inputs.created_at, "batches": inputs.batches}
    asked = msgspec.to_builtins(inputs)
    recorded = found.manifest.origin["inputs"] | {name: asked[name] for name in OF_THE_RUN}
    origin = {**found.manifest.origin, "inputs": recorded}
    return msgspec.structs.replace(
        found,
        manifest=msgspec.structs.replace(found.manifest, origin=origin, **own),
        simple=msgspec.structs.replace(found.simple, **own),
        simplest=None if found.simplest is None else _of_run(found.simplest, inputs),
        refit=None if found.refit is None else _of_run(found.refit, inputs),
    )


def _digest(inputs: TrainInputs) -> str:
    """Return a digest of all that a fit depends on; files are named by their contents.

    What is tried again is a candidate like the others, and none where it is one of them anyway.
    """
    paths = [Path(p).name for p in inputs.table.paths]
    table = msgspec.structs.replace(inputs.table, paths=paths)
    again = [c for c in candidates.listed(inputs) if c.again is not None]
    own = msgspec.structs.replace(
        inputs, table=table, again=again, run="", created_at="", root="", newer_than=None,
        batches=[], parent=None,
    )  # fmt: skip
    return hashlib.sha256(msgspec.json.encode(own)).hexdigest()[:32]


def _check_newer(inputs: TrainInputs) -> None:
    """Refuse what would be refused if it were fitted again."""
    until, known = parse_time(inputs.until), parse_time(inputs.known_by)
    table = snapshots.rows(inputs.table, [], since=None, until=until, known_by=known)
    days = enough.days_of(table[inputs.table.time])
    newer = None if inputs.newer_than is None else enough.newer(days, inputs.newer_than)
    enough.check(inputs.model, len(days), newer, inputs.holdout_days)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.rename(path)


def _silent(_share: float, _text: str) -> None:
    return None
