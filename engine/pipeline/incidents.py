"""Incidents: an alert opens one, actions, evidence and notes gather on it until a person closes it.

What is written here never stands in the way of what it is about: a full disk loses the note only.
"""

import logging

from engine.clock import iso
from engine.errors import InvalidError, UnavailableError, UnknownError
from engine.ledger.change import Actor
from engine.ledger.incidents import inert
from engine.pipeline import deeds
from engine.pipeline.site import Control
from engine.wire import IncidentPage, IncidentRow

log = logging.getLogger("cdml.engine")


def opened(site: Control, model: str, title: str, version: str | None = None) -> int:
    """Open an incident of a model, or reuse the one that stands; return its number.

    0 where the ledger could not be written.
    """
    try:
        number, fresh = site.ledger.incidents.open(model, title, version, site.moment())
    except UnavailableError as e:
        log.warning("no incident could be opened for %s: %s (%s)", model, title, e.message)
        return 0
    if fresh:
        site.tell("CRIT", "incident", model, f"incident {number} opened: {title}")
    note(site, model, "engine", "alert", title)
    return number


def note(site: Control, model: str, author: str, kind: str, text: str) -> None:
    """Add to the model's open incident; without one, nothing happens.

    Changes of roles and locks need no call: the ledger notes each as it records it.
    """
    try:
        found = site.ledger.incidents.standing(model)
        if found is not None:
            site.ledger.incidents.note(found.number, site.moment(), author, kind, text)
    except UnavailableError as e:
        log.warning("not noted on the incident of %s: %s (%s)", model, text, e.message)


def standing(site: Control, model: str) -> IncidentRow | None:
    """Return the model's open incident, or None."""
    return site.ledger.incidents.standing(model)


def page(site: Control, number: int) -> IncidentPage:
    """Return one incident with its timeline."""
    found = _one(site, number)
    return IncidentPage(found, site.ledger.incidents.notes(number))


def add(site: Control, number: int, actor: Actor, text: str, *, close: bool) -> IncidentPage:
    """Add a person's note to an incident, close it, or both; the same note twice is one."""
    found = _one(site, number)
    said = text.strip()
    if not said and not close:
        raise InvalidError(
            f"Noting on incident {number}: the note is empty. Say something with --note TEXT.",
            code="empty_note",
            field="text",
        )
    now = iso(site.clock.now())
    known = [(n.author, n.kind, n.text) for n in site.ledger.incidents.notes(number)[-1:]]
    fresh = bool(said) and known != [(str(actor), "note", inert(said))]
    if fresh or (close and found.closed is None):
        deed = "close" if close else "note"
        deeds.record(site, actor, "incident", found.model, number=number, what=deed, said=said)
    if fresh:
        site.ledger.incidents.note(number, now, str(actor), "note", said)
    if close and site.ledger.incidents.close(number, now):
        site.ledger.incidents.note(number, now, str(actor), "action", "closed")
        site.tell("ACT", "incident", found.model, f"{actor} closed incident {number}")
    return page(site, number)


def _one(site: Control, number: int) -> IncidentRow:
    found = site.ledger.incidents.of_number(number)
    if found is None:
        raise UnknownError(
            f"Looking for incident {number}: there is none. List them with cdml incident.",
            code="unknown_incident",
            field="number",
        )
    return found
