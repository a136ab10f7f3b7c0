"""What Prometheus is shown of the workspace as a whole: disk, copies, locks, record, messages."""

import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version

from engine import spool
from engine.clock import parse_time
from engine.domain.locks import EVERYWHERE, FREEZE, HOLD, PIN
from engine.errors import CdmlError
from engine.pipeline import backups
from engine.pipeline.site import Site
from engine.store import predictions
from engine.telemetry.engine_metrics import WorkspaceFigures
from engine.wire import NotifyRow

ALL = "(all)"


def gathered(
    site: Site, targets: Sequence[NotifyRow], stood: Mapping[str, float]
) -> WorkspaceFigures:
    """Gather it from the ledger, the disk, and what is known of targets and of loops."""
    disk = shutil.disk_usage(site.workspace.root)
    last = site.ledger.meta(backups.LAST)
    newest = site.ledger.audit_entries(limit=1)
    return WorkspaceFigures(
        _version(),
        not site.suspect,
        _waiting(site),
        (disk.free, disk.total),
        parse_time(last).timestamp() if last else None,
        newest[-1].seq if newest else 0,
        {} if site.clock.simulated else _locked(site),
        {
            (row.target, outcome): n
            for row in targets
            for outcome, n in (
                ("sent", row.sent), ("failed", row.failed), ("dropped", row.dropped),
            )
        },
        {row.target: bool(row.missing) for row in targets},
        stood,
    )  # fmt: skip


@cache
def _version() -> str:
    return version("cdml")


def _waiting(site: Site) -> int | None:
    """Return how many bytes of the log are to be loaded; None where the store cannot say."""
    try:
        marks = predictions.marks(site.store)
    except CdmlError:
        return None
    found = spool.segments(site.workspace.spool)
    return sum(max(0, s.size - marks.get(s.path.name, 0)) for s in found)


def _locked(site: Site) -> dict[tuple[str, str], float]:
    return {
        (ALL if model == EVERYWHERE else model, lock.kind): parse_time(lock.since).timestamp()
        for model in (EVERYWHERE, *site.settings.models)
        for lock in site.ledger.locks(model)
        if lock.kind in (HOLD, FREEZE, PIN)
    }
