"""The pages of delivered files: what became of each, what was found, and deciding about one."""

import flights
import pytest
from desk import Desk
from page_desk import SIZES, entered, golden, opened, texts

from cdml_tui.client import Client
from cdml_tui.effects import Ask
from cdml_tui.panes.batches import Delivered
from cdml_tui.screens import batch
from cdml_tui.screens.batch import BatchSeen
from cdml_tui.screens.data import PAGE
from cdml_tui.sheet import Subject
from cdml_tui.state import Typing
from engine import wire
from tests.console.socket_engine import Fake

UNIT = wire.BatchFinding(
    "unit", "temp_f is 0.56 of what it was, and 32 less", "Ask whether the unit was changed",
    refuses=True, column="temp_f", rows=["2026-03-13T05:30 UA 1545", "2026-03-13T05:45 B6 \x1b[2J"],
)  # fmt: skip
REASON = "temp_f is 0.56 of what it was, and 32 less. Ask whether the unit was changed."


def row(name: str, verdict: str, **more: object) -> wire.BatchRow:
    return wire.BatchRow(
        name * 4, f"rows-{name}-航班\x1b[2J.parquet", flights.ago(hours=6), verdict,  # type: ignore[arg-type]
        304, flights.ago(days=2), flights.ago(days=1, hours=7),
        **{"reasons": [], **more},  # type: ignore[arg-type]
    )  # fmt: skip


def batches() -> list[wire.BatchRow]:
    commands = [f"cdml quarantine late {v} abcabcabcabc --reason T" for v in ("accept", "discard")]
    return [
        row("abc", "quarantined", reasons=[REASON], findings=[UNIT], commands=commands),
        row("de1", "accepted_with_warnings", reasons=["12 % of wind_dir are empty. Ask."]),
        row("f23", "accepted"),
        row("456", "accepted"),
        row("789", "discarded", reasons=["no row has a label"]),
        row("0ab", "released", reasons=["30 % of the labels turned"], kind="labels"),
    ]


TAINT = wire.Taint(
    7, "late", "ben", "the sensor lied", flights.ago(hours=3), batch="456" * 8, touches=["v3", "v4"]
)


def delivered() -> Delivered:
    return Delivered(wire.BatchesAnswer("late", batches(), 40, 1), (TAINT,))


def trace() -> wire.BatchTrace:
    return wire.BatchTrace(
        "late", "456" * 8, "rows.parquet", flights.ago(hours=6), 304, flights.ago(days=2),
        flights.ago(days=1), ["v3", "v4"], ["v5"], [TAINT],
    )  # fmt: skip


def on(at: int, width: int = 80, height: int = 24) -> Desk:
    desk = opened("data", delivered(), width, height)
    for _ in range(at):
        desk.press("j")
    return desk


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_page_of_batches(width: int, height: int) -> None:
    golden(on(0, width, height), "data")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_page_of_a_batch_set_aside(width: int, height: int) -> None:
    seen = BatchSeen(batches()[0], None, (TAINT,))
    golden(entered(on(0, width, height), seen), "batch-set-aside")


def test_the_page_of_a_tainted_batch() -> None:
    golden(entered(on(3), BatchSeen(batches()[3], trace(), (TAINT,))), "batch-tainted")


def test_what_waits_for_a_person_stands_first(fake: Fake, client: Client) -> None:
    later = [row("f23", "accepted"), *batches()]
    fake.routes["GET /api/v1/models/late/batches"] = (
        200,
        wire.BatchesAnswer("late", later, 41, 1),
    )
    fake.routes["GET /api/v1/models/late/taints"] = (200, [])
    assert PAGE.ask is not None
    found = PAGE.ask(client, Subject("data", "late"))
    assert [b.verdict for b in found.answer.batches[:2]] == ["quarantined", "accepted"]


def test_a_batch_never_taken_in_was_trained_on_by_nobody(fake: Fake, client: Client) -> None:
    fake.routes["GET /api/v1/models/late/batches"] = (
        200,
        wire.BatchesAnswer("late", batches(), 5, 1),
    )
    fake.routes["GET /api/v1/models/late/taints"] = (200, [TAINT])
    assert batch.PAGE.ask is not None
    seen = batch.PAGE.ask(client, Subject("batch", "late", id="abcabcabcabc"))
    assert seen == BatchSeen(batches()[0], None, (TAINT,))


def test_nothing_delivered_says_how_files_come() -> None:
    nothing = Delivered(wire.BatchesAnswer("late", [], 0, 0), ())
    assert any(
        "Nothing was delivered for late yet" in text for text in texts(opened("data", nothing))
    )


def test_states_are_words() -> None:
    said = "\n".join(texts(on(0)))
    for word in ("set aside", "warned", "accepted", "TAINTED", "discarded"):
        assert word in said
    assert "1 set aside, waiting for a person" in said


def test_enter_opens_the_batch() -> None:
    assert entered(on(0)).effects[-1] == Ask(Subject("batch", "late", id="abcabcabcabc"))


def test_taking_in_overrides_a_guard_so_batch_and_reason_are_typed() -> None:
    desk = on(0).press("I")
    assert isinstance(desk.screen.bar, Typing)
    assert any("0.56 of what it was" in text for text in texts(desk))
    desk.type("abcabc").press("enter").type("the unit is right").press("enter")
    (sent,) = desk.sent
    assert (sent.intent.verb, sent.intent.about) == ("accept", "abcabcabcabc")
    assert sent.intent.reason == "the unit is right"


def test_another_batch_typed_takes_nothing_in() -> None:
    desk = on(0).press("I").type("abcabd").press("enter")
    assert desk.screen.bar is None
    assert not desk.sent
    assert "needed 'abcabc'" in desk.screen.message


@pytest.mark.parametrize(("key", "verb", "at"), [("D", "discard", 0), ("X", "taint", 1)])
def test_discarding_and_tainting_want_a_reason(key: str, verb: str, at: int) -> None:
    desk = on(at).press(key).press("enter")
    assert "a reason is needed" in desk.screen.message
    (sent,) = desk.type("broken").press("enter").sent
    assert (sent.intent.verb, sent.intent.reason) == (verb, "broken")


@pytest.mark.parametrize(
    ("key", "at", "said"),
    [
        ("I", 1, "only what is set aside"),
        ("D", 2, "only what is set aside"),
        ("X", 0, "was never taken in"),
        ("X", 5, "is a file of labels"),
        ("X", 3, "tainted already, by ben; cdml taint late --lift 7"),
    ],
)
def test_a_key_that_does_not_fit_says_why(key: str, at: int, said: str) -> None:
    desk = on(at).press(key)
    assert desk.screen.bar is None
    assert said in desk.screen.message


def test_a_tainted_batch_says_whom_it_reaches_and_how_it_is_lifted() -> None:
    said = "\n".join(texts(entered(on(3), BatchSeen(batches()[3], trace(), (TAINT,)))))
    assert "v3, v4" in said
    assert "cdml taint late --lift 7" in said
