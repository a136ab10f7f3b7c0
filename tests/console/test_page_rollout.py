"""The page of a rollout: phase, plan, evidence against its boundary, and the keys that step it."""

import flights
import pytest
from desk import Desk
from page_desk import SIZES, golden, opened, texts

from cdml_tui.panes.line import text_of
from cdml_tui.panes.path import path
from cdml_tui.state import Confirm, Window
from engine import wire

PLAN = [
    wire.RolloutStep(0.0, 1000, None, None),
    wire.RolloutStep(10.0, 500, 2140, 93.5),
    wire.RolloutStep(50.0, 2000, 610, None),
]


def looks(values: list[tuple[float, float | None, float | None]]) -> list[wire.Look]:
    return [
        wire.Look(flights.ago(hours=3 * (len(values) - i)), 25 * (i + 1), *one)
        for i, one in enumerate(values)
    ]


def guardrails() -> list[wire.Guardrail]:
    e = looks([(v, None, None) for v in (1.0, 0.6, 0.9, 1.8, 4.4, 2.1, 1.2)])
    slow = looks([(v, None, None) for v in (1.0, 2.5, 9.0, 31.0, 81.0)])
    gain = looks([(v, v - 0.05 / (i + 1), v + 0.05 / (i + 1))
                  for i, v in enumerate((-0.01, 0.004, 0.012, 0.011))])  # fmt: skip
    share = looks([(0.08, 0.01, 0.2), (0.11, 0.05, 0.18), (0.098, 0.07, 0.13)])
    return [
        wire.Guardrail("errors", True, "pass", 175, "errors: canary 0 failed of 18\x1b[2J, 航班",
                       1.2, None, None, 20.0, e),
        wire.Guardrail("latency", False, "fail", 125, "latency: e 81, alarm at 40",
                       81.0, None, None, 40.0, slow),
        wire.Guardrail("quality", True, "inconclusive", 100, "live pairs: +0.0110 log_loss",
                       0.011, -0.0015, 0.0235, -0.01, gain),
        wire.Guardrail("routing", True, "pass", 75, "routing: 7 of 75 units met the canary, 9.8 %",
                       0.098, 0.07, 0.13, 0.1, share),
    ]  # fmt: skip


def rollout(**changes: object) -> wire.RolloutPage:
    whole = {
        "model": "late", "mode": "approve", "phase": "canary", "version": "v4", "champion": "v3",
        "share_pct": 10.0, "since": flights.ago(hours=21), "decision": "wait", "waiting": "",
        "why": "175 of 500 rows of this step", "ended": "", "guardrails": guardrails(),
        "plan": PLAN, **changes,
    }  # fmt: skip
    return wire.RolloutPage(**whole)  # type: ignore[arg-type]


def desk(page: wire.RolloutPage, width: int = 80, height: int = 24) -> Desk:
    state = flights.state(flights.model(versions=flights.rollout()))
    return opened("rollout", page, width, height, state)


WAITS = rollout(waiting="since 02:10", decision="step", why="500 rows without an alarm")
NONE = rollout(phase="none", version=None, share_pct=0.0, guardrails=[], why="", decision="")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_page_of_a_rollout(width: int, height: int) -> None:
    golden(desk(rollout(), width, height), "rollout")


@pytest.mark.parametrize(("width", "height"), [(80, 48), (160, 24)])
def test_the_evidence_of_a_rollout(width: int, height: int) -> None:
    golden(desk(rollout(), width, height).press("G"), "rollout-evidence", own_ascii=True)


def test_no_rollout_says_how_one_begins() -> None:
    said = "\n".join(texts(desk(NONE)))
    assert "no rollout runs; none has run yet" in said
    assert "cdml canary late VERSION" in said


def test_what_it_waits_for_is_said() -> None:
    assert any("waits    175 of 500 rows" in text for text in texts(desk(rollout())))
    assert any("for a person since 02:10" in text for text in texts(desk(WAITS)))


def test_the_time_to_detect_is_said_of_each_step() -> None:
    said = "\n".join(texts(desk(rollout())))
    assert "2,140 rows, about 94m at today's pace" in said
    assert "610 rows; nobody asks at present" in said


def test_stopping_is_one_key_with_its_window() -> None:
    page = desk(rollout()).wait(1.0).press("S")
    assert isinstance(page.screen.bar, Window)
    (sent,) = page.wait(0.9).sent
    assert (sent.intent.verb, sent.intent.to, sent.intent.from_version) == ("abort", "v4", "v3")


def test_a_page_just_opened_makes_the_key_want_y() -> None:
    assert isinstance(desk(rollout()).press("S").screen.bar, Confirm)


@pytest.mark.parametrize(("key", "verb"), [("O", "approve"), ("V", "reject")])
def test_a_step_that_waits_is_answered_by_key_and_y(key: str, verb: str) -> None:
    page = desk(WAITS).press(key)
    assert isinstance(page.screen.bar, Confirm)
    assert any(f"cdml {verb} late v4" in text for text in texts(page))
    (sent,) = page.press("y").sent
    assert (sent.intent.verb, sent.intent.to, sent.intent.from_version) == (verb, "v4", "v3")


def test_where_nothing_waits_the_keys_say_so() -> None:
    assert "nothing waits for a person" in desk(rollout()).press("O").screen.message
    assert "no rollout runs" in desk(NONE).press("S").screen.message


PATHS: list[list[tuple[float, float | None, float | None]]] = [
    [],
    [(1.0, None, None)],
    [(2.0, 2.0, 2.0)] * 3,
    [(float("inf"), None, None), (0.0, -1.0, float("inf"))],
]


@pytest.mark.parametrize("height", [4, 9, 20])
@pytest.mark.parametrize("values", PATHS)
def test_a_path_is_drawn_whatever_it_is(
    values: list[tuple[float, float | None, float | None]], height: int
) -> None:
    one = wire.Guardrail("errors", True, "pass", 1, "x", None, None, None, 20.0, looks(values))
    drawn = [text_of(row) for row in path(one, 60, height)]
    assert len(drawn) <= max(height, 5)
    assert not any("nan" in row or "inf" in row for row in drawn)


def test_a_path_without_a_boundary_is_drawn_too() -> None:
    one = wire.Guardrail("routing", True, "pass", 1, "x", 0.1, 0.0, 0.2, None,
                         looks([(0.1, 0.0, 0.2)]))  # fmt: skip
    assert any("●" in text_of(row) for row in path(one, 60, 9))
