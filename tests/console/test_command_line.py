"""The command line: looks open a page, changes go the way of their keys, refusals say why."""

from dataclasses import replace
from pathlib import Path

import flights
import msgspec
import pytest
from desk import Desk

from cdml_tui import answers, command_line, embedded, turning
from cdml_tui.arguments import verb_rows
from cdml_tui.client import ConsoleError
from cdml_tui.effects import Ask, Quit, Ran, Remember
from cdml_tui.history import History
from cdml_tui.panes.line import text_of
from cdml_tui.prompt import Prompt
from cdml_tui.request_key import GivenKey
from cdml_tui.screens.frame import shown
from cdml_tui.state import Asking, Confirm, Typing, Window
from cdml_tui.verbs.table import VERBS
from engine import wire

# Verbs that only look. A new verb is put here, or is given its class of danger.
LOOKS = {
    "init", "check", "demo", "backtest", "status", "versions", "show", "compare", "jobs", "job",
    "rollout", "drift", "quality", "performance", "forecast", "kpi", "report", "clients", "events",
    "audit", "doctor", "motd", "watch", "completion", "restore", "lineage", "reproduce", "alerts",
    "keys", "logs",
}  # fmt: skip


def text(desk: Desk) -> str:
    screen = desk.screen
    return "\n".join(text_of(one) for one in shown(screen, screen.width, screen.height))


def said(desk: Desk) -> str:
    return desk.screen.bar.said if isinstance(desk.screen.bar, Prompt) else desk.screen.message


def with_canary() -> wire.State:
    return flights.state(flights.model(versions=flights.rollout(), incident=7))


def test_every_verb_only_looks_or_has_its_class_of_danger() -> None:
    assert {name for name, verb in VERBS.items() if verb.danger.value == "A"} == LOOKS


def test_a_look_opens_a_page_with_what_the_verb_writes() -> None:
    desk = Desk().line("versions late")
    (sheet,) = desk.screen.sheets
    assert (sheet.subject.page, sheet.subject.id) == ("output", "versions late")
    assert desk.effects[-1] == Ask(sheet.subject)
    ran = Ran(0, "VER  ROLE\nv3   champion\n" + "row\n" * 60)
    desk.screen = turning.came(desk.screen, sheet.subject, ran, desk.at)
    assert "cdml versions late" in text(desk)
    assert "v3   champion" in text(desk)
    desk.press("G")
    assert "v3   champion" not in text(desk)
    assert not desk.press("q").screen.sheets


def test_a_line_that_looks_may_be_typed_with_its_program_before_it() -> None:
    assert Desk().line("cdml status").screen.sheets[0].subject.id == "cdml status"


@pytest.mark.parametrize(
    ("line", "kind", "to"),
    [
        ("rollback", Window, "v1"),
        ("rollback late --reason fog", Window, "v1"),
        ("train", Confirm, None),
        ("promote v5", Typing, "v5"),
    ],
)
def test_a_change_goes_the_way_its_key_goes(line: str, kind: type, to: str | None) -> None:
    desk = Desk().line(line)
    bar = desk.screen.bar
    assert isinstance(bar, kind)
    assert isinstance(bar, Window | Confirm | Typing)
    assert (bar.intent.to, bar.intent.words) == (to, ())
    assert not desk.sent


def test_promoting_what_was_not_selected_is_a_surprise_and_what_was_is_not() -> None:
    assert isinstance(Desk().line("promote late v4").screen.bar, Confirm)
    assert isinstance(Desk().select("v4").line("promote v4").screen.bar, Window)


def test_a_reason_given_on_the_line_goes_along() -> None:
    desk = Desk().line('rollback --reason "fog in the east"').wait(0.9)
    assert desk.sent[0].intent.reason == "fog in the east"


@pytest.mark.parametrize(
    "line", ["canary v4 --share 20", "hold late --reason x", "cancel r-1", "up", "reload"]
)
def test_a_change_without_a_key_takes_y(line: str) -> None:
    desk = Desk().line(line)
    assert isinstance(desk.screen.bar, Confirm)
    assert not desk.press("enter").sent, "Enter does not count"
    (sent,) = Desk().line(line).press("y").sent
    assert list(sent.intent.words[: len(line.split())]) == line.split()


def test_what_was_seen_goes_along_with_a_line() -> None:
    (sent,) = Desk().line("canary v4").press("y").sent
    assert sent.intent.words == ("canary", "v4", "--expect", "v3")
    (sent,) = Desk().line("canary v4 --expect v1").press("y").sent
    assert sent.intent.words == ("canary", "v4", "--expect", "v1")


def test_overriding_a_guard_takes_the_version_and_a_reason() -> None:
    desk = Desk().line("promote v5 --override gate_inconclusive")
    assert isinstance(desk.screen.bar, Typing)
    assert not desk.press("y").press("enter").sent
    desk = Desk().line("promote v5 --override gate_inconclusive")
    (sent,) = desk.type("v5").press("enter").type("fog").press("enter").sent
    assert sent.intent.words[-2:] == ("--reason", "fog")


def test_what_has_no_way_back_takes_the_name_of_the_model() -> None:
    for name in ("y", "v3", "latte"):
        assert not Desk().line("down").type(name).press("enter").sent
    (sent,) = Desk().line("down").type("late").press("enter").sent
    assert sent.intent.words == ("down",)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("rollbak", 'there is no verb "rollbak"; the nearest is "rollback"'),
        ("demo", "run it in a shell"),
        ("backtest", "takes minutes"),
        ("events --follow", "does not end by itself"),
        ("status -w /x", "this console shows one workspace"),
        ("show 'v1", "no closing quotation"),
    ],
)
def test_a_line_that_cannot_be_says_why_and_stays(line: str, why: str) -> None:
    desk = Desk().line(line)
    assert isinstance(desk.screen.bar, Prompt)
    assert why in said(desk)
    assert why in text(desk)
    assert not desk.sent


def test_a_viewers_line_only_looks() -> None:
    desk = Desk(msgspec.structs.replace(flights.state(), role="viewer"))
    assert "your role here is viewer" in said(desk.line("rollback"))
    assert desk.press("escape").line("status").screen.sheets


def test_an_action_can_be_named_too() -> None:
    assert Desk().line("glyphs").screen.glyphs == "ascii"
    assert Quit() in Desk().line("quit").press("q").effects


def test_tab_completes_verbs_models_versions_and_options() -> None:
    desk = Desk(with_canary())
    completions = command_line.completions
    assert "rollback" in completions(desk.screen, "ro")
    assert completions(desk.screen, "show ") == ["late", "v1", "v2", "v3", "v4", "v5"]
    assert completions(desk.screen, "show late ") == ["v1", "v2", "v3", "v4", "v5"]
    assert "--expect" in completions(desk.screen, "promote --e")
    assert "v4" in completions(desk.screen, "rollback --to ")
    assert "7" in completions(desk.screen, "incident ")
    assert {"ack", "mute"} <= set(completions(desk.screen, "alert "))
    assert completions(desk.screen, "nonsense ") == []
    bar = desk.press(":").type("sho").press("tab").type("late v3").screen.bar
    assert isinstance(bar, Prompt)
    assert bar.text == "show late v3"


def test_up_brings_the_last_line_back_and_it_is_kept() -> None:
    desk = Desk().line("status").press("q").press(":").press("up")
    assert isinstance(desk.screen.bar, Prompt)
    assert desk.screen.bar.text == "status"
    assert Remember(("status",)) in desk.effects


def test_the_history_is_kept_in_a_file_of_its_own(tmp_path: Path) -> None:
    history = History(tmp_path / "state" / "history")
    assert history.lines() == ()
    history.keep(("status", "show v1"))
    assert history.lines() == ("status", "show v1")
    assert (tmp_path / "state" / "history").stat().st_mode & 0o777 == 0o600
    History(tmp_path / "history" / "below a file" / "x").keep(("a",))


def test_escape_and_an_empty_line_leave_without_a_word() -> None:
    assert Desk().press(":").type("down").press("escape").screen.bar is None
    assert Desk().press(":").press("enter").screen.bar is None
    assert Desk().press(":").type("a").press("backspace").press("backspace").screen.bar is None


def test_a_paste_into_the_line_waits_for_enter() -> None:
    from cdml_tui import guard

    desk = Desk().press(":")
    desk.screen = guard.pasted(desk.screen, desk.at, "rollback\ny\n")
    assert isinstance(desk.screen.bar, Prompt)
    assert desk.screen.bar.text == "rollback"
    assert not desk.wait(3).sent


def test_the_line_waits_while_a_change_has_no_end() -> None:
    desk = Desk().press("R").wait(0.9).press(":")
    assert isinstance(desk.screen.bar, Asking)
    assert "no end yet" in desk.screen.message


def test_what_a_line_came_to_is_said() -> None:
    desk = Desk().line("hold").press("y")
    intent = desk.sent[0].intent
    desk.take(answers.words_answered(desk.screen, intent, Ran(0, "a\nlate is held\n"), desk.at))
    assert desk.screen.outcome is not None
    assert desk.screen.outcome.text == "DONE: late is held"
    desk = Desk().line("hold").press("y")
    desk.take(answers.words_answered(desk.screen, intent, Ran(4, "no\n"), desk.at))
    assert desk.screen.outcome is not None
    assert desk.screen.outcome.text == "FAILED with exit code 4: no"
    desk = Desk().line("hold").press("y")
    other = replace(intent, idempotency_key="another question")
    desk.take(answers.words_lost(desk.screen, other, "the line broke.", desk.at))
    assert desk.screen.outcome is None
    desk.take(answers.words_lost(desk.screen, intent, "the line broke.", desk.at))
    assert desk.screen.outcome is not None
    assert "UNKNOWN whether cdml hold happened" in desk.screen.outcome.text


def test_a_verb_is_carried_out_and_its_words_come_back(tmp_path: Path) -> None:
    key = GivenKey("k")
    assert "usage: cdml show" in embedded.run(str(tmp_path), ("show", "--help"), key).text
    assert "rollback" in embedded.run(str(tmp_path), ("keys",), key).text
    with pytest.raises(ConsoleError, match=r"no cdml\.toml"):
        embedded.run(str(tmp_path), ("status",), key)
    with pytest.raises(ConsoleError, match="Reading the command line"):
        embedded.run(str(tmp_path), ("status", "--nonsense"), key)
    assert not key.used


def test_the_console_knows_every_verb() -> None:
    assert [row.name for row in verb_rows()] == list(VERBS)
