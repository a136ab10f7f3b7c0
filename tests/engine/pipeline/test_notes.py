"""A reason given afterwards is an entry of the audit, and moves nothing."""

from pathlib import Path

import pytest

from engine.errors import InvalidError
from engine.pipeline import incidents
from engine.pipeline.notes import note
from engine.pipeline.rollback import rollback
from engine.pipeline.undo import undo
from engine.wire import Change
from tests.engine.pipeline.place import PERSON, Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place.made(tmp_path)
    made.champions(0.5, 0.4)
    return made


def test_a_note_names_the_change_it_is_about_and_moves_nothing(place: Place) -> None:
    roles = place.ledger.roles("late")
    last = place.ledger.last_change("late")
    assert last is not None
    made = note(place, "late", PERSON, Change("k", reason=" fog in\nthe east "))
    assert (made.changed, made.message) == (False, f"noted on {last.action} of audit {last.seq}")
    assert place.ledger.roles("late") == roles
    entry = place.ledger.entries()[-1]
    assert (entry.action, entry.reason, entry.actor) == ("note", "fog in the east", "ada")
    assert entry.detail["about"] == last.seq
    assert place.ledger.last_change("late") == last, "undo is of the change, not of the note"
    place.close()


def test_a_note_asked_for_twice_by_one_key_is_one(place: Place) -> None:
    first = note(place, "late", PERSON, Change("k", reason="fog"))
    assert note(place, "late", PERSON, Change("k", reason="fog")) == first
    assert [e.action for e in place.ledger.entries()].count("note") == 1
    place.close()


def test_an_empty_note_is_refused(place: Place) -> None:
    with pytest.raises(InvalidError, match="the note is empty"):
        note(place, "late", PERSON, Change("k", reason=" \n"))
    place.close()


def test_the_open_incident_gathers_it_and_undo_still_works(place: Place) -> None:
    number = incidents.opened(place, "late", "drift")
    note(place, "late", PERSON, Change("k", reason="fog in the east"))
    assert "fog in the east" in incidents.page(place, number).timeline[-1].text
    rollback(place, "late", PERSON, Change("r"))
    note(place, "late", PERSON, Change("k2", reason="it hurt"))
    assert undo(place, "late", PERSON, Change("u")).changed
    place.close()
