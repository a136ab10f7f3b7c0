"""The pages of alerts: all of them, what is known of one, and the keys that quiet it."""

import flights
import pytest
from page_desk import SIZES, answered, entered, golden, opened, texts

from cdml_tui.effects import Ask
from cdml_tui.sheet import Subject
from cdml_tui.state import Confirm, Window
from engine import wire


def alerts() -> wire.AlertList:
    drifted = flights.alert(
        2, kind="drift", name="temp_f", severity="WARN", state="acknowledged",
        text="drift temp_f psi 0.31, limit 0.2, n 2011, 航班\x1b[2J", acked_by="ben",
        acked_at=flights.ago(hours=2), ack_reason="the sensor is new", because="", n=2011,
        next=["cdml drift late", "cdml alert mute 2 --for 7d"],
    )  # fmt: skip
    over = flights.alert(
        3, severity="WARN", state="ended", text="slice drift carrier=MQ psi 0.4, limit 0.25",
        ended=flights.ago(hours=1), why_ended="within its limit again",
    )  # fmt: skip
    return wire.AlertList([flights.alert(), drifted, over], {"late": "0.05 false alerts a year"})


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_page_of_alerts(width: int, height: int) -> None:
    golden(opened("alerts", alerts(), width, height), "alerts")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_page_of_an_alert(width: int, height: int) -> None:
    desk = opened("alerts", alerts(), width, height).press("j")
    golden(entered(desk, alerts().alerts[1]), "alert")


def test_no_alert_says_what_looks_for_one() -> None:
    said = "\n".join(texts(opened("alerts", wire.AlertList([], {"late": "0.05 a year"}))))
    assert "cdml monitor" in said
    assert "0.05 a year" in said


def test_what_is_known_follows_the_cursor() -> None:
    desk = opened("alerts", alerts())
    assert any("columns temp_f psi 0.31" in text for text in texts(desk))
    said = "\n".join(texts(desk.press("j")))
    assert "acknowledged by ben" in said
    assert "the sensor is new" in said


def test_the_keys_quiet_the_alert_stood_on_and_name_it() -> None:
    desk = opened("alerts", alerts()).press("j").wait(1.0).press("M")
    assert isinstance(desk.screen.bar, Window)
    assert any("alert 2" in text for text in texts(desk))
    (sent,) = desk.wait(0.9).sent
    assert sent.intent.alert is not None
    assert sent.intent.alert.number == 2


def test_another_row_comes_between_and_the_key_still_means_the_same_alert() -> None:
    desk = opened("alerts", alerts()).press("j")
    newer = wire.AlertList([flights.alert(9), *alerts().alerts], {})
    answered(desk, newer).wait(1.0).press("M")
    (sent,) = desk.wait(0.9).sent
    assert sent.intent.alert is not None
    assert sent.intent.alert.number == 2


def test_what_is_known_already_or_over_says_so() -> None:
    desk = opened("alerts", alerts()).press("j").press("A")
    assert "known already, to ben" in desk.screen.message
    assert "alert 3 is over" in desk.press("j").press("M").screen.message


def test_a_stale_link_makes_the_key_want_y() -> None:
    desk = opened("alerts", alerts()).wait(9, fresh=False).press("M", 0.5, fresh=False)
    assert isinstance(desk.screen.bar, Confirm)


def test_enter_opens_the_alert() -> None:
    assert entered(opened("alerts", alerts())).effects[-1] == Ask(Subject("alert", "late", id="1"))
