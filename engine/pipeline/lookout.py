"""What keeps looking for attacks beside everything else: questions, labels, files, the ledger."""

from engine.pipeline import attacks, sources, tampering, wholeness
from engine.pipeline.site import Site

EVERY_S = 5.0


def look(site: Site) -> None:
    """Look at the log where it has grown, every 5 s."""
    now, changes = site.clock.monotonic(), site.store.changes
    last, seen = site.looked
    if now - last >= EVERY_S and changes != seen:
        site.looked = now, changes
        look_now(site)


def look_now(site: Site) -> None:
    """Look at all that clients asked and all labels they sent since the last look."""
    for model in site.settings.models:
        attacks.watch(site, model)
        sources.watch(site, model)


def files(site: Site) -> None:
    """Look at files of versions and of rows, and at the ledger's chain, where they are due."""
    tampering.watch(site)
    tampering.verify(site)
    wholeness.watch(site)
