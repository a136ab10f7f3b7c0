"""What each change asks of the engine, over a real socket, and what is said of the answer."""

import flights
import msgspec
import pytest

from cdml_tui import sending
from cdml_tui.client import Client
from cdml_tui.state import Asking, Intent, Screen, Verb
from engine import wire
from tests.console.socket_engine import Fake

M = "/api/v1/models/late"
JOB = wire.JobRow("r7", "late", "train", "running", "operator", flights.ago())
ALERT = wire.AlertAnswer(flights.alert(), 52, changed=True, message="alert 1 is known")
TAKEN = wire.QuarantineAnswer("late", "abcabc", "def", 304, '"x" is taken in', changed=True)
TAINT = wire.TaintAnswer("late", [], ["v3", "v4"], 4, 53, changed=True, message="taint 7")


def sent(client: Client, intent: Intent) -> str:
    """Send an intent; return the outcome that the screen then shows."""
    screen = Screen(bar=Asking(intent, 0.0))
    after = sending.send(client, intent)(screen, 1.0)[0]
    assert after.outcome is not None
    return after.outcome.text


def intent(verb: Verb, about: str = "", **more: object) -> Intent:
    alert = flights.alert() if verb in ("ack", "mute") else None
    return Intent(verb, "late", None, None, "key-1", alert=alert, about=about, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "route", "answer", "body", "said"),
    [
        (intent("train"), f"{M}/train", JOB, {}, "STARTED: train of late, run r7, running"),
        (intent("cancel", "r7"), "/api/v1/jobs/r7/cancel", JOB, {}, "r7, is being cancelled"),
        (
            intent("cancel", "r7"),
            "/api/v1/jobs/r7/cancel",
            msgspec.structs.replace(JOB, ended_at=flights.ago()),
            {},
            "r7, is cancelled",
        ),
        (intent("ack"), "/api/v1/alerts/1/ack", ALERT, {}, "DONE: alert 1 is known"),
        (
            intent("accept", "abcabc", reason="the unit is right"),
            f"{M}/quarantine",
            TAKEN,
            {"verb": "accept", "batch": "abcabc", "reason": "the unit is right"},
            'DONE: "x" is taken in',
        ),
        (
            intent("discard", "abcabc", reason="broken"),
            f"{M}/quarantine",
            msgspec.structs.replace(TAKEN, changed=False, message="it was so"),
            {"verb": "discard", "batch": "abcabc", "reason": "broken"},
            "NOTHING CHANGED: it was so",
        ),
        (
            intent("taint", "abcabc", reason="the sensor lied"),
            f"{M}/taint",
            TAINT,
            {"batch": "abcabc", "reason": "the sensor lied", "lift": None},
            "DONE: taint 7; reaches v3, v4",
        ),
    ],
)
def test_a_change_is_asked_for_and_its_answer_told(
    fake: Fake,
    client: Client,
    asked: Intent,
    route: str,
    answer: object,
    body: dict[str, object],
    said: str,
) -> None:
    fake.routes[f"POST {route}"] = (200, answer)
    assert said in sent(client, asked)
    place, raw = fake.bodies[-1]
    written = msgspec.json.decode(raw)
    assert place == f"POST {route}"
    assert written["idempotency_key"] == "key-1"
    assert {name: written[name] for name in body} == body


def test_a_step_is_approved_as_it_was_seen(fake: Fake, client: Client) -> None:
    fake.routes[f"POST {M}/approve"] = (
        200,
        wire.ChangeAnswer("late", "v3", "v3", 5, 51, changed=False, message="at 50 % now"),
    )
    step = Intent("approve", "late", "v3", "v4", "key-1")
    assert sent(client, step) == "NOTHING CHANGED: at 50 % now"
    written = msgspec.json.decode(fake.bodies[-1][1], type=wire.Change)
    assert (written.expect, written.to) == ("v3", "v4")


def test_an_answer_that_nobody_waits_for_any_more_changes_nothing(
    fake: Fake, client: Client
) -> None:
    fake.routes["POST /api/v1/jobs/r7/cancel"] = (200, JOB)
    screen = Screen()
    assert sending.send(client, intent("cancel", "r7"))(screen, 1.0)[0] == screen
