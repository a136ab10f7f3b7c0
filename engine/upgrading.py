"""Where files of a workspace are kept as they were, before a newer cdml brings them to its form."""

import shutil
from datetime import datetime
from pathlib import Path

from engine.errors import UnavailableError

KEPT = 2
ROOM = 64 * 2**20


class Before:
    """The folder of one upgrade in aside/, made when the first file needs it; the last two stay."""

    def __init__(self, aside: Path, wall: datetime) -> None:
        self._folder = aside / f"{wall:%Y%m%dT%H%M%S}-upgrade"

    def place(self, file: Path) -> Path:
        """Return where to copy a file to; UnavailableError where there is no room for it."""
        try:
            size = file.stat().st_size
            for folder in (self._folder.parent, self._folder):
                folder.mkdir(exist_ok=True, mode=0o750)
            free = shutil.disk_usage(self._folder).free
        except OSError as e:
            raise self._failed(file, e.strerror or str(e)) from e
        if free < size + ROOM:
            raise self._failed(file, f"it takes {size >> 20} MiB and {free >> 20} are free")
        for former in sorted(self._folder.parent.glob("*-upgrade"))[:-KEPT]:
            shutil.rmtree(former)
        return self._folder / file.name

    def _failed(self, file: Path, why: str) -> UnavailableError:
        return UnavailableError(
            f'Keeping a copy of "{file}" before this cdml brings it to its form: {why}. '
            "Nothing was changed. Free disk space, then start again.",
            code="no_space",
        )
