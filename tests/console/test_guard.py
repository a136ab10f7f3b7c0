"""The rules of dangerous keys, one by one, as a table of presses and moments."""

import flights
import msgspec
import pytest
from desk import Desk

from cdml_tui import answers, effects, guard, sending
from cdml_tui.reach import works
from cdml_tui.state import (
    Asking,
    Confirm,
    Explain,
    Proving,
    Typing,
    Window,
    link_lost,
    snapshot_came,
)
from engine import wire


def moved(generation: int = 5, to: str = "v1") -> wire.ChangeAnswer:
    return wire.ChangeAnswer("late", "v3", to, generation, 51, changed=True)


def test_one_key_rolls_back_after_the_window() -> None:
    desk = Desk().press("R")
    assert isinstance(desk.screen.bar, Window)
    assert not desk.wait(0.79).sent
    (sent,) = desk.wait(0.02).sent
    assert isinstance(desk.screen.bar, Asking)
    assert sending.change_of(sent.intent) == wire.Change(
        idempotency_key="token-1", expect="v3", to="v1"
    )


def test_the_window_begins_when_the_operator_can_see_it() -> None:
    desk = Desk()
    late = guard.Press("R", desk.at + 0.5, "rollback", "R", "token", handled=desk.at + 1.5)
    desk.at += 1.5
    desk.take(guard.pressed(desk.screen, late))
    assert not desk.wait(0.75).sent
    assert desk.wait(0.1).sent


def test_another_model_is_another_thing_to_look_at() -> None:
    other = msgspec.structs.replace(flights.model(), model="early", champion="v1")
    desk = Desk(msgspec.structs.replace(flights.state(), models=[flights.model(), other]))
    desk.press("m").press("R", 0.5)
    assert desk.screen.model == "early"
    assert isinstance(desk.screen.bar, Confirm)


@pytest.mark.parametrize("key", ["escape", "R", "j", "enter", "y", "x", "f5", " "])
def test_any_key_in_the_window_stops_it_and_does_nothing_else(key: str) -> None:
    desk = Desk().press("R").press(key, 0.3)
    assert desk.screen.bar is None
    assert desk.screen.selected == "v3"
    assert "nothing was sent" in desk.screen.message
    assert not desk.wait(5).sent


def test_a_paste_stops_the_window_and_never_acts() -> None:
    desk = Desk().press("R")
    desk.screen = guard.pasted(desk.screen, desk.at + 0.2)
    assert desk.screen.bar is None
    assert not desk.wait(5).sent
    desk.screen = guard.pasted(desk.screen, desk.at)
    assert desk.screen.bar is None


@pytest.mark.parametrize("key", ["R", "P", "T", "S", "u", "A", "M"])
def test_a_change_key_within_120_ms_of_another_is_ignored(key: str) -> None:
    desk = Desk().press("x").press(key, 0.11)
    assert desk.screen.bar is None
    assert "ignored" in desk.screen.message


def test_auto_repeat_ends_in_nothing() -> None:
    desk = Desk().press("R")
    for _ in range(40):
        desk.press("R", 0.03)
    assert not desk.wait(5).sent


def test_typing_in_the_wrong_window_sends_nothing() -> None:
    desk = Desk()
    for c in "git commit -m 'Roll Put' && Run":
        desk.press(c, 0.08)
    assert not desk.wait(10).sent


def test_a_stale_feed_asks_for_y_and_says_its_age() -> None:
    desk = Desk().press("R", 7.0, fresh=False)
    assert isinstance(desk.screen.bar, Confirm)
    assert "nothing was heard for 7 s" in desk.screen.bar.why
    assert len(desk.press("y", fresh=False).sent) == 1


def test_a_lost_engine_never_blocks_the_key() -> None:
    desk = Desk()
    desk.screen = link_lost(desk.screen, "gone", desk.at)
    desk.press("R", 20.0, fresh=False)
    assert isinstance(desk.screen.bar, Confirm)
    (sent,) = desk.press("y", fresh=False).sent
    desk.take(answers.unanswered(desk.screen, sent.intent, "nobody", was_sent=False, at=desk.at))
    assert desk.screen.bar is None
    assert desk.screen.outcome is not None
    assert desk.screen.outcome.text.startswith("NOT SENT")


def test_a_target_seen_for_less_than_a_second_asks_for_y() -> None:
    desk = Desk()
    other = msgspec.structs.replace(flights.ROLLBACK, to="v2")
    changed = flights.state(flights.model(rollback=other))
    desk.screen = snapshot_came(desk.screen, changed, desk.at)
    desk.press("R", 0.9)
    assert isinstance(desk.screen.bar, Confirm)
    desk.press("escape").press("R", 0.5)
    assert isinstance(desk.screen.bar, Window)


def test_the_help_page_covers_what_was_seen() -> None:
    desk = Desk().press("?").press("R")
    assert desk.screen.bar is None
    desk.press("escape").press("R", 0.5)
    assert isinstance(desk.screen.bar, Confirm)


@pytest.mark.parametrize("key", ["enter", "R", "T", "n", "escape", " "])
def test_only_y_confirms(key: str) -> None:
    desk = Desk().press("T").press(key)
    assert desk.screen.bar is None
    assert not desk.sent


def test_y_at_once_is_a_paste_and_does_not_confirm() -> None:
    assert not Desk().press("T").press("y", 0.05).sent


def test_a_confirmation_lapses_after_five_seconds() -> None:
    desk = Desk().press("T").wait(5.1).press("y")
    assert not desk.sent


def test_retraining_is_confirmed_and_started() -> None:
    (sent,) = Desk().press("T").press("y").sent
    assert (sent.intent.verb, sent.intent.model) == ("train", "late")


def test_a_green_challenger_is_promoted_with_one_key() -> None:
    desk = Desk().select("v4").press("P").wait(0.9)
    change = sending.change_of(desk.sent[0].intent)
    assert (change.expect, change.to, change.override) == ("v3", "v4", [])


@pytest.mark.parametrize(("version", "why"), [("v3", "is the champion"), ("v2", "rejected")])
def test_what_cannot_be_promoted_is_explained(version: str, why: str) -> None:
    desk = Desk().select(version).press("P")
    assert isinstance(desk.screen.bar, Explain)
    assert why in " ".join(desk.screen.bar.lines)
    assert desk.press("R").screen.bar is None, "any key closes it and does nothing else"


def test_a_failed_gate_is_overridden_only_by_typing_version_and_reason() -> None:
    desk = Desk().select("v5").press("P")
    assert isinstance(desk.screen.bar, Typing)
    desk.type("v5").press("enter").type("bird strike").press("backspace").press("enter")
    change = sending.change_of(desk.sent[0].intent)
    assert (change.to, change.override, change.reason) == (
        "v5",
        ["gate_inconclusive"],
        "bird strik",
    )


def test_the_wrong_version_typed_sends_nothing() -> None:
    desk = Desk().select("v5").press("P").type("v4").press("enter")
    assert desk.screen.bar is None
    assert "needed 'v5'" in desk.screen.message


def test_an_override_needs_a_reason() -> None:
    desk = Desk().select("v5").press("P").type("v5").press("enter").press("enter")
    assert not desk.sent
    assert isinstance(desk.screen.bar, Typing)


def test_a_rollback_that_is_not_ready_explains_itself() -> None:
    failed = [wire.PlanCheck("loaded", ok=False, found="not in memory")]
    plan = msgspec.structs.replace(
        flights.ROLLBACK, ready=False, why="v1 is not loaded.", checks=failed
    )
    desk = Desk(flights.state(flights.model(rollback=plan))).press("R")
    assert isinstance(desk.screen.bar, Explain)
    assert desk.screen.bar.lines == ("v1 is not loaded.", "loaded: not in memory")


def test_a_rollback_past_a_pin_asks_for_the_version_and_a_reason() -> None:
    why = "late is pinned to v3 by ben since 2024-03-01T00:00Z (audit week)"
    plan = msgspec.structs.replace(flights.ROLLBACK, ready=False, why=why, overrides=["pin"])
    desk = Desk(flights.state(flights.model(rollback=plan))).press("R")
    assert isinstance(desk.screen.bar, Typing)
    for text in ("v1", "3 a.m."):
        for character in text:
            desk.press(character)
        desk.wait(1.0).press("enter")
    change = sending.change_of(desk.sent[0].intent)
    assert (change.to, change.override, change.reason) == ("v1", ["pin"], "3 a.m.")


def test_stopping_a_canary_is_one_key_that_any_other_stops() -> None:
    canary = flights.state(flights.model(versions=flights.rollout()))
    desk = Desk(canary).press("S")
    assert isinstance(desk.screen.bar, Window)
    assert not desk.wait(0.79).sent
    (sent,) = desk.wait(0.02).sent
    assert sent.intent.verb == "abort"
    assert sending.change_of(sent.intent) == wire.Change(
        idempotency_key="token-1", expect="v3", to="v4"
    )
    assert not Desk(canary).press("S").press("S", 0.3).wait(5).sent


def test_a_canary_that_has_just_appeared_asks_for_y() -> None:
    desk = Desk(flights.state(flights.model(versions=flights.rollout("shadow", 0.0))))
    other = [msgspec.structs.replace(v, version="v6") if "shadow" in v.roles else v
             for v in flights.rollout("shadow", 0.0)]  # fmt: skip
    desk.screen = snapshot_came(desk.screen, flights.state(flights.model(versions=other)), desk.at)
    desk.press("S", 0.9)
    assert isinstance(desk.screen.bar, Confirm)
    desk.press("escape").press("S", 0.5)
    assert isinstance(desk.screen.bar, Window)


def test_with_nothing_to_stop_the_key_is_dim_and_says_why() -> None:
    desk = Desk()
    assert not works(desk.screen, "abort")
    desk.press("S")
    assert isinstance(desk.screen.bar, Explain)
    assert "neither a canary nor a shadow runs." in desk.screen.bar.lines
    assert not desk.wait(5).sent
    canary = flights.state(flights.model(versions=flights.rollout()))
    assert works(Desk(canary).screen, "abort")


def test_a_stop_is_done_when_the_stopped_version_no_longer_answers() -> None:
    desk = Desk(flights.state(flights.model(versions=flights.rollout()))).press("S").wait(0.9)
    answer = wire.ChangeAnswer("late", "v3", "v3", 5, 51, changed=True)
    desk.take(answers.change_answered(desk.screen, desk.sent[0].intent, answer, desk.at))
    assert isinstance(desk.screen.bar, Proving)
    proof = wire.Proof("late", 5, "v3", {"v3": 12}, "live", proven=True)
    desk.take(answers.proof_came(desk.screen, proof, desk.at))
    assert desk.screen.outcome is not None
    assert "v3 serving: 12 predictions by v3, 0 by v4 since" in desk.screen.outcome.text


@pytest.mark.parametrize(("key", "verb"), [("A", "ack"), ("M", "mute")])
def test_the_worst_alert_is_quieted_by_one_key_that_any_other_stops(key: str, verb: str) -> None:
    known = flights.alert(3, state="acknowledged")
    alerts = flights.state(flights.model(alerts=[known, flights.alert(4), flights.alert(5)]))
    desk = Desk(alerts).press(key)
    assert isinstance(desk.screen.bar, Window)
    (sent,) = desk.wait(0.9).sent
    assert sent.intent.alert is not None
    assert (sent.intent.verb, sent.intent.alert.number) == (verb, 4)
    answer = wire.AlertAnswer(known, 51, changed=True, message="alert 4 is quiet")
    desk.take(
        answers.said_answered(
            desk.screen, sent.intent, answer.message, changed=answer.changed, at=desk.at
        )
    )
    assert desk.screen.outcome is not None
    assert desk.screen.outcome.text == "DONE: alert 4 is quiet"
    assert not Desk(alerts).press(key).press("x", 0.3).wait(5).sent


def test_without_an_alert_that_fires_the_keys_are_dim_and_say_why() -> None:
    desk = Desk(flights.state(flights.model(alerts=[flights.alert(state="muted")])))
    assert not works(desk.screen, "ack")
    desk.press("M")
    assert isinstance(desk.screen.bar, Explain)
    assert "no alert fires." in desk.screen.bar.lines
    assert works(Desk(flights.state(flights.model(alerts=[flights.alert()]))).screen, "mute")


def test_an_alert_that_was_known_already_is_no_change() -> None:
    desk = Desk(flights.state(flights.model(alerts=[flights.alert()]))).press("A").wait(0.9)
    answer = wire.AlertAnswer(flights.alert(), 0, changed=False, message="already acknowledged")
    desk.take(
        answers.said_answered(
            desk.screen, desk.sent[0].intent, answer.message, changed=answer.changed, at=desk.at
        )
    )
    assert desk.screen.outcome is not None
    assert desk.screen.outcome.text == "NOTHING CHANGED: already acknowledged"


def test_undo_is_one_key_within_its_minute() -> None:
    fresh = flights.model(undo_until=flights.ahead(seconds=50), undo_of="the rollback to v1")
    desk = Desk(flights.state(fresh)).press("u").wait(0.9)
    assert sending.change_of(desk.sent[0].intent).expect == "v3"
    late = Desk(flights.state(fresh)).wait(60).press("u")
    assert isinstance(late.screen.bar, Explain)


def test_a_viewer_changes_nothing_and_is_told_why() -> None:
    desk = Desk(flights.state(role="viewer")).press("R")
    assert desk.screen.bar is None
    assert "viewer" in desk.screen.message


def test_leaving_takes_two_keys_in_a_row() -> None:
    desk = Desk().press("q").press("j").press("q")
    assert effects.Quit() not in desk.effects
    assert effects.Quit() in desk.press("q").effects


# ---------------------------------------------------------------- the truth after


def test_done_only_when_predictions_carry_the_new_version() -> None:
    desk = Desk().press("R").wait(0.9)
    intent = desk.sent[0].intent
    desk.take(answers.change_answered(desk.screen, intent, moved(), desk.at))
    assert isinstance(desk.screen.bar, Proving)
    assert guard.Prove("late", 5) in desk.effects
    none = wire.Proof("late", 5, "v1", {}, "live", proven=False)
    desk.take(answers.proof_came(desk.screen, none, desk.at))
    assert isinstance(desk.screen.bar, Proving)
    desk.effects.clear()
    assert guard.Prove("late", 5) in desk.wait(0.3).effects
    probed = wire.Proof("late", 5, "v1", {"v1": 3}, "probe", proven=True)
    desk.take(answers.proof_came(desk.screen, probed, desk.at))
    assert desk.screen.outcome is not None
    assert "v1 serving: 3 probe rows by v1, 0 by v3" in desk.screen.outcome.text


def test_no_proof_is_never_called_done() -> None:
    desk = Desk().press("R").wait(0.9)
    desk.take(answers.change_answered(desk.screen, desk.sent[0].intent, moved(), desk.at))
    desk.wait(31).take(answers.proof_came(desk.screen, None, desk.at))
    assert desk.screen.outcome is not None
    assert desk.screen.outcome.kind == "unproven"


def test_a_lost_answer_is_unknown_and_asked_again_with_the_same_key() -> None:
    desk = Desk().press("R").wait(0.9)
    first = desk.sent[0].intent
    desk.take(answers.unanswered(desk.screen, first, "the line broke", was_sent=True, at=desk.at))
    assert isinstance(desk.screen.bar, Asking)
    assert desk.screen.bar.unknown
    again = desk.wait(0.6).sent[1].intent
    assert again.idempotency_key == first.idempotency_key
    desk.take(answers.unanswered(desk.screen, first, "nobody", was_sent=False, at=desk.at))
    assert desk.screen.bar.unknown, "a first request that may have arrived stays unknown"
    assert desk.press("R").screen.message.startswith("R ignored")
    desk.take(answers.change_answered(desk.screen, first, moved(), desk.at))
    assert isinstance(desk.screen.bar, Proving)


def test_an_unknown_change_given_up_stays_unknown_in_words() -> None:
    desk = Desk().press("R").wait(0.9)
    desk.take(answers.unanswered(desk.screen, desk.sent[0].intent, "?", was_sent=True, at=desk.at))
    desk.press("escape")
    assert desk.screen.outcome is not None
    assert "UNKNOWN" in desk.screen.outcome.text


def test_a_conflict_shows_the_engines_words_and_fetches() -> None:
    desk = Desk().press("R").wait(0.9)
    said = "already on v1 by ben 4 s ago"
    desk.take(answers.refused(desk.screen, desk.sent[0].intent, said, status=409, at=desk.at))
    assert desk.screen.outcome is not None
    assert desk.screen.outcome.text == f"REFUSED: {said}"
    assert effects.Fetch() in desk.effects


def test_an_answer_to_another_question_changes_nothing() -> None:
    desk = Desk().press("R").wait(0.9)
    stray = Desk().press("P").press("R").wait(2).press("R").wait(0.9).sent[0].intent
    desk.take(answers.change_answered(desk.screen, stray, moved(), desk.at))
    assert isinstance(desk.screen.bar, Asking)
