"""The pages of incidents: the list, the timeline, a note through the bar, the report to a file."""

from pathlib import Path

import flights
import pytest
from desk import Desk
from page_desk import SIZES, entered, golden, opened, texts

from cdml_tui import sending
from cdml_tui.client import Client, ConsoleError
from cdml_tui.effects import Ask
from cdml_tui.screens.incident import _noted
from cdml_tui.sheet import Subject
from cdml_tui.state import Asking, Screen, Typing
from engine import wire
from tests.console.socket_engine import Fake


def rows() -> list[wire.IncidentRow]:
    return [
        wire.IncidentRow(3, "late", "v3", "cost .634 over .60, 航班\x1b[2J", flights.ago(hours=4),
                         None, 41),
        wire.IncidentRow(2, "late", "v1", "temp_f psi .31 over .20", flights.ago(days=9),
                         flights.ago(days=8), 22),
    ]  # fmt: skip


def page(closed: bool = False) -> wire.IncidentPage:
    notes = [
        (240, "engine", "alert", "cost 0.634 USD per flight, limit 0.6, n 1993"),
        (200, "engine", "evidence", "temp_f psi .312; " * 9),
        (120, "anna", "action", "hold (audit 42)"),
        (60, "ben", "note", "the sensor was replaced yesterday\x1b]0;owned\x07"),
    ]
    timeline = [
        wire.IncidentNote(flights.ago(minutes=m), who, kind, text)  # type: ignore[arg-type]
        for m, who, kind, text in notes
    ]
    return wire.IncidentPage(rows()[1 if closed else 0], timeline)


def incident(width: int = 80, height: int = 24) -> Desk:
    return entered(opened("incidents", rows(), width, height), page())


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_page_of_incidents(width: int, height: int) -> None:
    golden(opened("incidents", rows(), width, height), "incidents")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_page_of_an_incident(width: int, height: int) -> None:
    golden(incident(width, height), "incident")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_note_is_typed_in_the_bar(width: int, height: int) -> None:
    golden(incident(width, height).press("n").type("seen, R next"), "incident-note")


def test_no_incident_says_what_opens_one() -> None:
    assert any("A breach of a limit opens one" in text for text in texts(opened("incidents", [])))


def test_enter_opens_the_incident() -> None:
    assert entered(opened("incidents", rows())).effects[-1] == Ask(
        Subject("incident", "late", id="3")
    )


def test_an_open_incident_shows_the_way_back_and_a_closed_one_does_not() -> None:
    shown = "\n".join(texts(incident(160, 48)))
    assert "v3 → v1, READY" in shown
    desk = opened("incidents", rows()).press("j")
    assert "READY" not in "\n".join(texts(entered(desk, page(closed=True)))[3:])


def test_a_note_is_sent_with_enter_and_keys_in_it_do_nothing_else() -> None:
    desk = incident().press("n").type("R q y").press("enter")
    (sent,) = desk.sent
    assert (sent.intent.verb, sent.intent.about, sent.intent.reason) == ("annotate", "3", "R q y")


def test_of_a_long_note_the_end_is_seen() -> None:
    desk = incident().press("n").type(f"{'the sensor was replaced ' * 4}THE END")
    assert any("THE END_   Esc = stop" in text for text in texts(desk))


def test_thousands_of_entries_are_drawn_once_and_not_with_each_key() -> None:
    notes = [wire.IncidentNote(flights.ago(minutes=i), "anna", "note", f"n {i}") for i in range(3)]
    desk = entered(opened("incidents", rows()), wire.IncidentPage(rows()[0], notes))
    drawn = _noted.cache_info().misses
    desk.press("j").press("G")
    assert texts(desk)
    assert _noted.cache_info().misses == drawn


def test_an_empty_note_is_not_sent_and_esc_leaves() -> None:
    desk = incident().press("n").press("enter")
    assert isinstance(desk.screen.bar, Typing)
    assert "a note is needed" in desk.screen.message
    desk.press("escape")
    assert desk.screen.bar is None
    assert not desk.sent


def test_the_report_is_asked_for_by_one_key() -> None:
    desk = incident().press("x")
    assert isinstance(desk.screen.bar, Asking)
    assert [s.intent.verb for s in desk.sent] == ["report"]


def test_the_report_is_written_beside_where_the_console_was_started(
    fake: Fake, workspace: Path, client: Client
) -> None:
    fake.routes["GET /api/v1/incidents/3/report"] = (200, wire.IncidentReport(3, "# Incident 3\n"))
    desk = incident().press("x")
    desk.take(sending.send(client, desk.sent[0].intent)(desk.screen, 11.0))
    assert (workspace / "incident-3.md").read_text() == "# Incident 3\n"
    assert str(workspace / "incident-3.md") in "".join(desk.screen.outcome.text.split())  # type: ignore[union-attr]


def test_a_report_that_cannot_be_written_says_why(
    fake: Fake, workspace: Path, client: Client
) -> None:
    fake.routes["GET /api/v1/incidents/3/report"] = (200, wire.IncidentReport(3, "text"))
    (workspace / "incident-3.md").mkdir()
    with pytest.raises(ConsoleError, match="Is a directory") as no:
        sending.send(client, incident().press("x").sent[0].intent)
    assert "cdml incident 3 --report -" in no.value.message


def test_a_note_that_was_written_is_told(fake: Fake, client: Client) -> None:
    fake.routes["POST /api/v1/incidents/3"] = (200, page())
    desk = incident().press("n").type("seen").press("enter")
    take = sending.send(client, desk.sent[0].intent)
    screen: Screen = take(desk.screen, desk.at)[0]
    assert screen.outcome is not None
    assert "noted on incident 3 by ben" in screen.outcome.text
