"""What people did that moves neither roles nor locks: in the audit with who it was, as all else."""

import logging
from typing import Any

from engine.errors import UnavailableError
from engine.ledger.change import Actor
from engine.pipeline.site import Control

log = logging.getLogger("cdml.engine")


def record(site: Control, actor: Actor, deed: str, model: str | None = None, **detail: Any) -> None:
    """Write who does it, and with what; UnavailableError where that cannot be written."""
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(actor, deed, model, now=now, wall=wall) as change:
        change.detail |= detail


def mention(site: Control, actor: Actor, deed: str, **detail: Any) -> None:
    """Write it if that can be: a full disk must not be in the way of what helps against it."""
    try:
        record(site, actor, deed, **detail)
    except UnavailableError as e:
        log.warning("%s by %s is not in the audit: %s", deed, actor, e.message)
