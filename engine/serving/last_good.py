"""The settings to run with: a slip of the pen in cdml.toml, or damage to it, must stop nobody."""

import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.durable import replace_whole
from engine.errors import CdmlError, InvalidError
from engine.settings import Settings, load
from engine.workspace import Workspace

_log = logging.getLogger("cdml.serving")


@dataclass(frozen=True, slots=True)
class Found:
    """Settings and their text; `fault` says what is wrong with cdml.toml where they are former."""

    settings: Settings
    text: bytes
    fault: str = ""


def found(workspace: Workspace) -> Found:
    """Return the settings of cdml.toml; while it has a mistake, those of its last good version."""
    copy = _copy(workspace)
    try:
        text = workspace.require().config.read_bytes()
        _check_whole(workspace, text, copy)
        return Found(load(workspace.config), text)
    except (CdmlError, OSError) as e:
        try:
            return Found(
                load(copy),
                copy.read_bytes(),
                f"{e} Going on with the last good one, run/cdml.toml.",
            )
        except (CdmlError, OSError):
            raise e from None


def last_good(workspace: Workspace) -> Settings:
    """Return what `found` does and keep it; a fault goes to the log of the process."""
    good = found(workspace)
    if good.fault:
        _log.warning("%s", good.fault)
    else:
        _keep(_copy(workspace), good.text)
    return good.settings


def _check_whole(workspace: Workspace, text: bytes, copy: Path) -> None:
    """Refuse a file that was cut off within a line: what is left of it may well be valid."""
    former = b""
    with suppress(OSError):
        former = copy.read_bytes()
    if len(text) < len(former) and former.startswith(text) and not text.endswith(b"\n"):
        raise InvalidError(
            f'Reading "{workspace.config}": it ends after {len(text)} bytes, within line '
            f"{text.count(10) + 1} of what it was, {len(former)} bytes. Put it back from a backup "
            "or from run/cdml.toml.",
            code="bad_settings",
        )


def _copy(workspace: Workspace) -> Path:
    return workspace.run / "cdml.toml"


def _keep(copy: Path, text: bytes) -> None:
    """Keep the text as the last good one. Without room for it there is none, which stops nobody."""
    try:
        if not (copy.is_file() and copy.read_bytes() == text):
            replace_whole(copy, text)
    except OSError as e:
        _log.warning("keeping a copy of cdml.toml in run/: %s", e)
