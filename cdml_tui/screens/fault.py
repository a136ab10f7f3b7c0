"""What is shown in the place of something that could not be drawn; the trace goes to the log."""

import logging
from functools import lru_cache

from cdml_tui.panes.line import Line, inert, line

_log = logging.getLogger(__name__)


def undrawn(what: str, fault: Exception) -> Line:
    """Say in a line that something could not be drawn, and why."""
    said = f"{type(fault).__name__}: {str(fault)[:120]}"
    _noted(what, said)
    return line((f" {inert(what)} could not be drawn ({inert(said)}); see console.log", "bad"))


@lru_cache(maxsize=64)
def _noted(what: str, said: str) -> None:
    """Keep the trace once, however often the same is drawn."""
    _log.exception("drawing %s: %s", what, said)
