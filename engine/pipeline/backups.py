"""Backups of a running workspace: asked for by a person, or due by cdml.toml."""

from datetime import timedelta
from functools import partial
from importlib.metadata import version

from engine.clock import parse_time
from engine.errors import RefusedError
from engine.pipeline.backup import back_up
from engine.pipeline.gentle import gently
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.wire import BackupAnswer

LAST = "backup"


def made(site: Site, by: str) -> BackupAnswer:
    """Make a backup, and tell what came of it; RefusedError while another is being made."""
    if not site.backing_up.acquire(blocking=False):
        raise RefusedError(
            "Copying the workspace: a copy is being made already. Wait for it.", code="busy"
        )
    try:
        wall = site.clock.wall()
        copying = partial(
            back_up,
            site.workspace,
            site.settings.backup,
            site.ledger,
            site.store,
            name=site.settings.workspace.name,
            cdml=version("cdml"),
            wall=wall,
        )
        answer = gently(copying)
        site.ledger.set_meta(LAST, answer.made)
    finally:
        site.backing_up.release()
    size = f"{answer.files} files, {answer.bytes / 2**20:.1f} MiB"
    site.tell("ACT", "backup", None, f"{by}: {answer.folder}, {size}, verified")
    return answer


def due(site: Site) -> bool:
    """Say whether cdml.toml wants a backup by now."""
    every, last = site.settings.backup.every, site.ledger.meta(LAST)
    if every is None:
        return False
    age = site.clock.wall() - parse_time(last) if last else timedelta.max
    return not timedelta(0) <= age < duration(every)  # a clock set back: not for years
