"""The console's own log, in the operator's state folder: what broke in it, with its trace."""

import logging
from pathlib import Path

from cdml_tui.history import folder


def begin(file: Path | None = None) -> None:
    """Send what the console logs to its file, and nothing of it to the terminal."""
    log = logging.getLogger("cdml_tui")
    log.propagate = False
    log.handlers = [_File(folder() / "console.log" if file is None else file, delay=True)]
    log.handlers[0].setFormatter(logging.Formatter("%(asctime)s %(message)s"))


class _File(logging.FileHandler):
    """Made at the first fault; a disk that takes nothing costs the log only."""

    def _open(self):  # type: ignore[no-untyped-def]  # as in the class above
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return super()._open()

    def emit(self, record: logging.LogRecord) -> None:
        """Write where that works; the terminal is no place to complain."""
        try:
            super().emit(record)
        except OSError:
            return

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - named by the class above
        """Say nothing: the screen shows the fault already."""
