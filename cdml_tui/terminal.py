"""The terminal itself: what it can show, and putting it back whatever happens."""

import atexit
import os
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TextIO, cast, get_args

from cdml_tui.state import Glyphs, Theme

# Leave the alternate screen, show the cursor, end mouse, paste, focus, key and wrap modes.
RESET = (
    "\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l"
    "\x1b[?2004l\x1b[?1004l\x1b[?2048l\x1b[<u\x1b[?7h\x1b[0m"
)


class Terminal:
    """The terminal that the console was started in."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ

    def refusal(self) -> str:
        """Say why nothing can be drawn here; empty where it can."""
        if not _is_tty(sys.__stderr__):
            return (
                "Opening the console: it draws on stderr, and stderr is not a terminal. "
                "Do not redirect it (no 2>file), or use `cdml watch --plain` or `cdml status`."
            )
        if not _is_tty(sys.__stdin__):
            return (
                "Opening the console: its keys come from stdin, and stdin is not a terminal. "
                "Do not redirect it, or use `cdml watch --plain` or `cdml status`."
            )
        return ""

    def cannot_draw(self) -> str:
        """Say why this terminal gets lines instead of the console; empty where it can draw."""
        term = self._environ.get("TERM", "")
        if term not in ("", "dumb", "unknown"):
            return ""
        return (
            f"TERM is {term!r}, a terminal that cannot be drawn on. Here is `cdml watch --plain`: "
            "a line for every change; Ctrl-D or Ctrl-C ends it. `cdml rollback` works everywhere."
        )

    def glyphs(self) -> Glyphs:
        """Choose the signs that this terminal can show."""
        name = next(
            (v for k in ("LC_ALL", "LC_CTYPE", "LANG") if (v := self._environ.get(k, ""))), ""
        )
        utf8 = "utf8" in name.lower().replace("-", "")
        return "unicode" if utf8 and self._environ.get("TERM") != "linux" else "ascii"

    def theme(self) -> Theme:
        """Choose the colours: as CDML_THEME says, else for the background, where that is known."""
        named = self._environ.get("CDML_THEME", "")
        if named in get_args(Theme):
            return cast(Theme, named)
        background = self._environ.get("COLORFGBG", "").rpartition(";")[2]
        return "ansi-light" if background in ("7", "15") else "ansi-dark"

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Draw in UTF-8 whatever the locale says; put the terminal back if nobody else did."""
        stderr = sys.__stderr__
        if stderr is not None and hasattr(stderr, "reconfigure"):
            stderr.reconfigure(encoding="utf-8", errors="replace")
        atexit.register(_put_back)
        yield
        atexit.unregister(_put_back)


def leave_now(code: int) -> None:
    """End at once, whatever hangs: what the terminal never took is dropped, then it is put back."""
    with suppress(OSError, termios.error):
        termios.tcflush(2, termios.TCOFLUSH)
        os.set_blocking(2, False)
    _put_back()
    os._exit(code)


def let_go() -> None:
    """Let a terminal that is gone be: what Python still wants to flush goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for fd in (1, 2):
        os.dup2(nowhere, fd)


def _put_back() -> None:
    with suppress(OSError):
        os.write(2, RESET.encode())


def _is_tty(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False
