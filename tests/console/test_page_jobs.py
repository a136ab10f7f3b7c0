"""The pages of runs: every run, how far it is, its log, and the key that cancels it."""

from dataclasses import replace
from typing import Any

import flights
import msgspec
import pytest
from page_desk import SIZES, answered, entered, golden, opened, texts

from cdml_tui import answers, turning
from cdml_tui.client import Client
from cdml_tui.effects import Ask
from cdml_tui.screens.jobs import PAGE
from cdml_tui.screens.run import RunSeen
from cdml_tui.sheet import Subject
from cdml_tui.state import Confirm
from engine import wire
from tests.console.socket_engine import Fake


def runs() -> list[wire.JobRow]:
    running, done, *rest = flights.jobs()
    running = msgspec.structs.replace(
        running, left_s=130.0, cpu_s=41.2, memory_mib=224, note="scored 2011 rows\x1b[2J"
    )
    done = msgspec.structs.replace(done, cpu_s=6.1, memory_mib=225, note="15452 rows, window 60d")
    waits = wire.JobRow("r-32", "late", "monitor", "queued", "every 1d, 航班", flights.ago())
    return [running, waits, done, *rest]


def many(n: int) -> list[wire.JobRow]:
    at = flights.ago(days=1)
    return [
        wire.JobRow(f"r{i}", "late", "monitor", "done", "every 1d", at, at, at, note=f"look {i}")
        for i in range(n, 0, -1)
    ]


def log(n: int = 3, **more: Any) -> wire.RunLog:
    lines = [f"{i:4d}  fit {i}, log_loss .41\x1b]0;x\x07\t(1.4 s CPU)" for i in range(n)]
    return wire.RunLog("r-31", lines, **more)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_page_of_runs(width: int, height: int) -> None:
    golden(opened("jobs", runs(), width, height), "jobs", own_ascii=True)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_page_of_a_run(width: int, height: int) -> None:
    seen = RunSeen(runs()[0], log(5, cut=1234))
    golden(entered(opened("jobs", runs(), width, height), seen), "run")


def test_no_run_says_how_one_starts() -> None:
    assert any("T on the base screen" in text for text in texts(opened("jobs", [])))


def test_ten_thousand_runs_scroll_and_draw_only_what_is_seen() -> None:
    desk = opened("jobs", many(10_000))
    assert any("look 1 " in text for text in texts(desk.press("G")))
    assert any("look 10000" in text for text in texts(desk.press("g")))


def test_the_cursor_stays_on_its_run_when_a_newer_one_comes() -> None:
    desk = opened("jobs", many(5)).press("j")
    answered(desk, many(7))
    assert desk.screen.sheets[-1].value[desk.screen.sheets[-1].cursor].id == "r4"


def test_renewing_asks_for_the_newest_only(fake: Fake, client: Client) -> None:
    fake.routes["GET /api/v1/jobs"] = (200, tuple(many(12)[:5]))
    renew = PAGE.renew
    assert renew is not None
    merged = renew(client, Subject("jobs"), many(10))
    assert [run.id for run in merged] == [f"r{i}" for i in range(12, 0, -1)]


def test_a_run_that_may_have_ended_out_of_sight_is_asked_for(fake: Fake, client: Client) -> None:
    fake.routes["GET /api/v1/jobs"] = (200, tuple(many(12)[:5]))
    lasting = [*many(10)[:-1], msgspec.structs.replace(many(1)[0], ended_at=None)]
    renew = PAGE.renew
    assert renew is not None
    assert renew(client, Subject("jobs"), lasting) == many(12)[:5]


def test_a_run_that_left_the_list_leaves_the_cursor_where_it_was() -> None:
    desk = opened("jobs", many(5)).press("G")
    answered(desk, many(3)[:2])
    assert desk.screen.sheets[-1].cursor == 1


def test_enter_opens_the_run_and_its_log() -> None:
    desk = entered(opened("jobs", runs()))
    assert desk.effects[-1] == Ask(Subject("run", "late", id="r-31"))
    said = "\n".join(texts(answered(desk, RunSeen(runs()[0], log()))))
    assert "41%  about 2m left" in said
    assert "fit 2, log_loss .41·]0;x·" in said


def test_the_log_is_followed_while_the_run_lasts() -> None:
    desk = entered(opened("jobs", runs()), RunSeen(runs()[0], log(100)))
    assert any("fit 99" in text for text in texts(desk))
    desk.wait(1.1)
    assert desk.effects[-1] == Ask(Subject("run", "late", id="r-31"))
    assert any("fit 119" in text for text in texts(answered(desk, RunSeen(runs()[0], log(120)))))


def test_who_scrolled_back_in_a_log_is_left_there() -> None:
    desk = entered(opened("jobs", runs()), RunSeen(runs()[0], log(100))).press("g")
    before = texts(desk)[4:]
    assert texts(answered(desk, RunSeen(runs()[0], log(120))))[4:] == before


def test_a_run_that_has_ended_is_not_asked_for_again_by_time() -> None:
    desk = opened("jobs", runs()).press("j").press("j")
    entered(desk, RunSeen(runs()[2], log()))
    asked = len(desk.effects)
    desk.wait(60)
    assert len(desk.effects) == asked


def test_a_run_without_a_log_says_why() -> None:
    nothing = wire.RunLog("r-31", [], missing="r-31 waits for its turn")
    desk = entered(opened("jobs", runs()), RunSeen(runs()[0], nothing))
    assert any("r-31 waits for its turn" in text for text in texts(desk))


def test_cancelling_says_what_is_lost_and_wants_y() -> None:
    desk = opened("jobs", runs()).press("C")
    assert isinstance(desk.screen.bar, Confirm)
    said = "\n".join(texts(desk))
    assert "what it made so far is dropped" in said
    assert "cdml cancel r-31" in said
    assert not desk.press("C").sent
    (sent,) = desk.press("C").press("y").sent
    assert (sent.intent.verb, sent.intent.about) == ("cancel", "r-31")


def test_what_was_cancelled_is_told_and_asked_for_anew() -> None:
    desk = opened("jobs", runs()).press("C").press("y")
    intent = desk.sent[0].intent
    desk.take(answers.said_answered(desk.screen, intent, "train r-31", changed=True, at=desk.at))
    assert any("DONE: train r-31" in text for text in texts(desk))
    assert desk.effects[-1] == Ask(Subject("jobs"))


def test_an_ended_run_cannot_be_cancelled() -> None:
    desk = opened("jobs", runs()).press("G").press("C")
    assert desk.screen.bar is None
    assert "r-28 has ended already: failed" in desk.screen.message


def test_a_viewer_cancels_nothing() -> None:
    desk = opened("jobs", runs(), state=flights.state(role="viewer")).press("C")
    assert desk.screen.bar is None
    assert "viewer" in desk.screen.message


def test_before_the_answer_there_is_nothing_to_cancel() -> None:
    assert "no answer yet" in opened("jobs").press("C").screen.message


def test_a_key_of_another_page_says_to_close_this_one() -> None:
    assert "close this page first" in opened("jobs", runs()).press("R").screen.message


def test_a_key_of_a_page_does_nothing_on_the_base_screen() -> None:
    desk = opened("jobs", runs()).press("escape").press("C")
    assert desk.screen.bar is None
    assert "acts on a page" in desk.screen.message


def test_the_answer_to_an_old_question_changes_no_other_page() -> None:
    desk = entered(opened("jobs", runs()), RunSeen(runs()[0], log()))
    screen = turning.came(desk.screen, Subject("jobs"), many(3), desk.at)
    assert screen.sheets[-1] == desk.screen.sheets[-1]
    assert replace(screen, sheets=()) == replace(desk.screen, sheets=())
