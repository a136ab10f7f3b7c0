"""The settings that serving runs with: a slip of the pen in cdml.toml must not stop it."""

import logging
import os
from pathlib import Path

from engine.errors import CdmlError
from engine.settings import Settings, load
from engine.workspace import Workspace

_log = logging.getLogger("cdml.serving")


def last_good(workspace: Workspace) -> Settings:
    """Return the settings of cdml.toml; while it has a mistake, those of its last good version."""
    copy = workspace.run / "cdml.toml"
    try:
        text = workspace.require().config.read_bytes()
        settings = load(workspace.config)
    except (CdmlError, OSError) as e:
        try:
            settings = load(copy)
        except (CdmlError, OSError):
            raise e from None
        _log.warning("%s Going on with the last good one, run/cdml.toml.", e)
        return settings
    _keep(copy, text)
    return settings


def _keep(copy: Path, text: bytes) -> None:
    """Keep the text as the last good one. Without room for it there is none, which stops nobody."""
    try:
        if copy.is_file() and copy.read_bytes() == text:
            return
        part = copy.with_name(f"cdml.toml.{os.getpid()}.part")
        part.write_bytes(text)
        part.rename(copy)
    except OSError as e:
        _log.warning("keeping a copy of cdml.toml in run/: %s", e)
