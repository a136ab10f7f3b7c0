"""Bringing back what the metric store has lost: from the spool, and from the batches' own files."""

from engine.pipeline.load import load, note_tide
from engine.pipeline.site import Site
from engine.store import batches


def recover(site: Site) -> None:
    """Load again all that a suspect store lacks and still lies elsewhere, and say what that was.

    The spool's marks were lost with the rows that they speak of, so each record comes back once.
    """
    if not site.suspect:
        return
    said = site.suspect
    found = batches.restored(site.store)
    loaded = load(site)
    site.suspect = ""
    note_tide(site)
    site.tell(
        "WARN",
        "store",
        None,
        f"loaded again after damage: {loaded} records of the spool, {found} batches. "
        f"Measures and runs since then are gone: cdml monitor --rebuild measures anew ({said})",
    )
