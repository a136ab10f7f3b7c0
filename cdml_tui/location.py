"""Which workspace is meant: the folder named, or the nearest one. Makes and reads nothing in it."""

import os
from pathlib import Path

from cdml_tui.client import ConsoleError

# Without its cdml.toml a workspace can still be rolled back.
_SIGNS = ("cdml.toml", "ledger.sqlite", "run/engine.sock")
_SYSTEM = Path("/etc/cdml/workspace")


def find(named: str | None) -> Path:
    """Return the workspace; ConsoleError "no_workspace" where there is none."""
    if named:
        return _checked(Path(named), "-w")
    if told := os.environ.get("CDML_WORKSPACE"):
        return _checked(Path(told), "CDML_WORKSPACE")
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "cdml.toml").is_file():
            return folder
    for note in (Path.home() / ".config" / "cdml" / "workspace", _SYSTEM):
        if (written := _noted(note)) is not None:
            return _checked(written, str(note))
    raise ConsoleError(
        "no_workspace",
        f'Looking for a workspace: no cdml.toml in "{here}" or above it. '
        "Name one with -w DIR, or make one with cdml init DIR --data FILE --target COLUMN.",
        "workspace",
        422,
    )


def _noted(note: Path) -> Path | None:
    try:
        text = note.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return Path(text).expanduser() if text else None


def _checked(folder: Path, source: str) -> Path:
    if any((folder / sign).exists() for sign in _SIGNS):
        return folder.absolute()
    found = "it has no cdml.toml" if folder.is_dir() else "there is no such folder"
    raise ConsoleError(
        "no_workspace",
        f'Opening the workspace "{folder}" of {source}: {found}. '
        "Make one with cdml init DIR --data FILE --target COLUMN.",
        "workspace",
        422,
    )
