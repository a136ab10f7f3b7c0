"""A ledger that has lost its newest changes is told, whatever SQLite makes of its files."""

import shutil

from engine.ledger.ledger import Ledger
from engine.pipeline import audit_mark
from tests.engine.pipeline.place import Place


def test_a_ledger_of_before_a_change_is_told(place: Place) -> None:
    assert audit_mark.lost(place) == ""
    audit_mark.note(place)
    assert not place.workspace.audit_head.exists()
    place.version()
    audit_mark.note(place)
    older = place.workspace.root / "older.sqlite"
    place.ledger.copy_to(older)
    place.champions(0.5)
    audit_mark.note(place)
    assert audit_mark.lost(place) == ""
    last = place.ledger.audit_entries(limit=1)[0].seq
    place.ledger.close()
    shutil.copyfile(older, place.workspace.ledger)
    for log in place.workspace.root.glob("ledger.sqlite-*"):
        log.unlink()
    place.ledger = Ledger(place.workspace.ledger)
    said = audit_mark.lost(place)
    assert f"entry {last} of the audit was there and is not" in said
    audit_mark.note(place)
    assert audit_mark.lost(place) == ""


def test_a_mark_that_is_damaged_itself_accuses_nobody(place: Place) -> None:
    place.workspace.audit_head.write_text("garbage")
    assert audit_mark.lost(place) == ""
