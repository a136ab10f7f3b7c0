"""The history of the command line, kept in the operator's state folder as far as that works."""

import os
from contextlib import suppress
from pathlib import Path


def folder() -> Path:
    """Return where the state of the console is kept."""
    base = os.environ.get("XDG_STATE_HOME") or ""
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state") / "cdml"


class History:
    """A file of lines, the newest last. A disk that is full or closed costs the history only."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = folder() / "history" if file is None else file

    def lines(self) -> tuple[str, ...]:
        """Return the lines kept; none where there is nothing to read."""
        try:
            text = self._file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ()
        return tuple(line for line in text.splitlines() if line.isprintable() and line.strip())

    def keep(self, lines: tuple[str, ...]) -> None:
        """Keep these lines, and no others."""
        part = self._file.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part.write_text("\n".join((*lines, "")), encoding="utf-8")
            part.chmod(0o600)
            part.replace(self._file)
