"""Incidents: opened by a breach, gathering what happens, closed by a person, told as a report."""

import pytest

from engine.errors import InvalidError, UnknownError
from engine.ledger.incidents import LONGEST
from engine.pipeline import incidents, locks, postmortem
from engine.pipeline.monitor import monitor
from engine.pipeline.rollback import rollback
from engine.wire import Change, LockRequest
from tests.engine.pipeline.place import PERSON, Place


def kinds(place: Place, number: int = 1) -> list[str]:
    return [n.kind for n in incidents.page(place, number).timeline]


def texts(place: Place, number: int = 1) -> str:
    return "\n".join(n.text for n in incidents.page(place, number).timeline)


def breached(place: Place) -> None:
    """Have the champion v2 answer badly until monitoring says so."""
    place.champions(0.5, 0.4)
    place.clock.passes(days=8)
    place.answered("v2", n=400, days=7, late=0.95, score=0.1)
    place.clock.passes(days=1, minutes=1)
    monitor(place, "late")


def test_a_breach_opens_one_incident_and_the_next_one_gathers_on_it(place: Place) -> None:
    breached(place)
    (row,) = place.ledger.incidents.newest()
    assert (row.number, row.model, row.version, row.closed) == (1, "late", "v2", None)
    assert row.title.startswith("log_loss ")
    assert f"incident 1 opened: {row.title}" in place.told_of("incident")
    assert incidents.opened(place, "late", "something else") == 1
    assert kinds(place) == ["alert", "alert"]
    assert len(place.told_of("incident")) == 1


def test_drift_alone_opens_none(place: Place) -> None:
    place.champions(0.5)
    incidents.note(place, "late", "engine", "evidence", "lost: there is no incident")
    monitor(place, "late")
    assert place.ledger.incidents.newest() == []


def test_every_change_of_roles_and_locks_is_noted_by_the_ledger_itself(place: Place) -> None:
    breached(place)
    rollback(place, "late", PERSON, Change("b", reason="complaints"))
    locks.freeze(place, "*", PERSON, LockRequest("f", "let me look"))
    said = [n for n in incidents.page(place, 1).timeline if n.kind == "action"]
    assert [n.author for n in said] == ["ada", "ada"]
    assert said[0].text.startswith("rollback: v2 -> v1: complaints (audit ")
    assert said[1].text.startswith("freeze: frozen: let me look (audit ")
    assert any("v2 -> v1; hold set" in t and "(incident 1)" in t for t in place.told_of("rollback"))


def test_each_look_of_the_monitor_is_evidence_with_its_n(place: Place) -> None:
    breached(place)
    monitor(place, "late")
    (look,) = [n.text for n in incidents.page(place, 1).timeline if n.kind == "evidence"]
    assert look.startswith("log_loss ")
    assert "n 399; cost " in look


def test_a_person_notes_and_closes_and_the_next_breach_is_another_incident(place: Place) -> None:
    breached(place)
    page = incidents.add(place, 1, PERSON, "the vendor confirms it", close=False)
    assert (page.timeline[-1].author, page.timeline[-1].kind) == ("ada", "note")
    assert incidents.add(place, 1, PERSON, "", close=True).row.closed is not None
    incidents.add(place, 1, PERSON, "a late remark", close=True)
    assert kinds(place) == ["alert", "note", "action", "note"]
    assert incidents.opened(place, "late", "again") == 2
    assert [r.number for r in place.ledger.incidents.newest()] == [2, 1]


def test_what_is_not_there_or_says_nothing_is_refused_in_a_sentence(place: Place) -> None:
    with pytest.raises(UnknownError, match="incident 7: there is none"):
        incidents.page(place, 7)
    incidents.opened(place, "late", "x")
    with pytest.raises(InvalidError, match="--note TEXT"):
        incidents.add(place, 1, PERSON, " \n", close=False)


def test_the_report_tells_who_when_what_and_what_served_when(place: Place) -> None:
    breached(place)
    rollback(place, "late", PERSON, Change("b", reason="complaints"))
    incidents.note(place, "late", "engine", "evidence", "the rollback helped: 0.4 n 900")
    report = postmortem.text(place, 1)
    assert report.startswith("# Incident 1: log\\_loss ")
    assert "Did it help? the rollback helped: 0.4 n 900." in report
    assert "| v2 | 2024-03-01 00:10Z | 2024-03-10 00:21Z | promote by ada |  |" in report
    assert "| v1 | 2024-03-10 00:21Z | now | rollback by ada | complaints |" in report
    assert "* 2024-03-10 00:21Z ada: rollback: v2 -&gt; v1: complaints" in report


def test_text_from_data_is_inert_on_the_screen_and_in_the_report(place: Place) -> None:
    hostile = "<script>x</script> [a](http://b) | \x1b[31m\u202e red\n# head `c` \x00" + "y" * 9999
    incidents.opened(place, "late", hostile)
    (note,) = incidents.page(place, 1).timeline
    assert note.text.isprintable()
    assert len(note.text) <= LONGEST
    report = postmortem.text(place, 1)
    assert "<script>" not in report
    assert "[a](" not in report
    assert "\n# head" not in report
    table = [line for line in report.splitlines() if "&lt;script&gt;" in line and line[0] == "|"]
    assert all(line.replace("\\|", "").count("|") == 5 for line in table)
