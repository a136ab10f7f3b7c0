"""`cdml restore BACKUP DIR`: a backup brought back into a new folder, verified end to end."""

import os
import shutil
import sys
from pathlib import Path

import msgspec

from engine.artifacts import Artifacts
from engine.errors import CorruptError, InvalidError, RefusedError, UnavailableError
from engine.exits import Arguments, guarded
from engine.ledger.ledger import Ledger
from engine.pipeline.backup import MANIFEST, Backup, verify
from engine.workspace import Workspace


class Restored(msgspec.Struct, frozen=True):
    """What was brought back: when it was copied, and who led each model then."""

    workspace: str
    made: str
    files: int
    commits: int
    champions: dict[str, str | None]


def main(argv: list[str]) -> int:
    """Run the verb and return its exit code."""
    return guarded(lambda: _run(argv), as_json="--json" in argv)


def _run(argv: list[str]) -> int:
    parser = Arguments(prog="cdml restore", description="Bring a backup back, verified.")
    parser.add_argument("backup", metavar="BACKUP", help="the folder of one backup")
    parser.add_argument("to", metavar="DIR", help="a folder that does not exist yet")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    restored = restore(Path(given.backup).absolute(), Path(given.to).absolute())
    if given.json:
        sys.stdout.write(msgspec.json.encode(restored).decode() + "\n")
        return 0
    led = ", ".join(f"{m} served by {v or 'nobody'}" for m, v in restored.champions.items())
    sys.stdout.write(
        f"{restored.workspace}: {restored.files} files as of {restored.made}, all verified\n"
        f"{led or 'no models yet'}\nstart it with: cdml -w {restored.workspace} up\n"
    )
    return 0


def restore(source: Path, to: Path) -> Restored:
    """Bring a backup back; every byte, both chains and all signatures are verified before.

    Raises InvalidError for what is no backup, RefusedError where something is already there,
    CorruptError where the backup does not hold; nothing is left behind then.
    """
    if not (source / MANIFEST).is_file():
        raise InvalidError(
            f'Restoring "{source}": there is no {MANIFEST} in it, so it is no backup. '
            "Name the folder that cdml backup printed.",
            code="no_backup",
            field="backup",
        )
    if to.exists():
        raise RefusedError(
            f'Restoring into "{to}": it exists already, and nothing is ever written over. '
            "Name a folder that does not exist; move the old workspace away first.",
            code="exists",
            field="to",
        )
    part = to.with_name(f".{to.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(source, part)
        found = verify(part)
        champions = _verified_champions(Workspace(part))
        (part / MANIFEST).unlink()
        os.sync()  # all of it is on the disk before it has its name
        part.rename(to)
    except OSError as e:
        raise UnavailableError(
            f'Restoring into "{to}": {e.strerror or e}. Nothing was left there. '
            "Free disk space, or give this user the right to write there.",
            code="restore_failed",
        ) from e
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return _restored(to, found, champions)


def _restored(to: Path, found: Backup, champions: dict[str, str | None]) -> Restored:
    return Restored(str(to), found.made, len(found.files), found.commits, champions)


def _verified_champions(workspace: Workspace) -> dict[str, str | None]:
    """Return who leads each model, after the signature of every version was verified."""
    artifacts = Artifacts(workspace.artifacts, workspace.keys)
    ledger = Ledger(workspace.ledger, readonly=True)
    try:
        for model in ledger.models():
            for version in ledger.versions(model):
                if version.manifest and not artifacts.intact(version.manifest, afresh=True):
                    raise CorruptError(
                        f"Restoring {version.version} of {model}: its files are not as they were "
                        "signed. Use another backup; nothing was brought back.",
                        code="backup_broken",
                    )
        return {m: ledger.roles(m).champion for m in ledger.models()}
    finally:
        ledger.close()
