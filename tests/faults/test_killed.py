"""kill -9: predictions go on, everything comes back, nothing that was acknowledged is lost."""

import os
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.box import Box, eventually
from tests.traffic import Traffic, missing, traffic

Note = Callable[[str, object], None]


def moments(clients: Traffic, seconds: float) -> None:
    """Let so much traffic pass; the instant of a kill comes from a seed, not from a wish."""
    end = time.monotonic() + seconds
    eventually("traffic goes on", lambda: time.monotonic() > end and clients.answered)


def test_a_killed_engine_fails_no_prediction_and_loses_none(
    box: Box, record_property: Note
) -> None:
    draw, serving, back = random.Random(9), box.pid("serve"), []
    with traffic(box) as clients:
        for _ in range(3):
            moments(clients, 0.3 + draw.random() * 1.5)
            killed = time.monotonic()
            box.kill("run")
            eventually("the supervisor brings it back", box.answers)
            back.append(round(time.monotonic() - killed, 2))
        moments(clients, 0.5)
    record_property("engine_back_s", back)
    record_property("requests", len(clients.answered))
    assert clients.failed == []
    assert clients.labeller.failed == []
    assert all(answer.logged for answer in clients.answered)
    assert box.pid("serve") == serving
    box.down()
    assert not any(missing(box, clients).values())


def test_a_killed_engine_is_not_missed_while_it_starts(box: Box) -> None:
    draw = random.Random(10)
    with traffic(box, 40.0) as clients:
        for _ in range(3):
            box.kill("run")
            eventually("a new engine", lambda: box.pid("run"))
            moments(clients, draw.random())
        eventually("the engine answers in the end", box.answers)
    assert clients.failed == []
    assert box.ask("audit", "--verify")["verified"] is True
    box.down()
    assert not any(missing(box, clients).values())


def test_a_killed_prediction_service_comes_back_and_what_it_logged_is_kept(
    box: Box, record_property: Note
) -> None:
    back = []
    draw = random.Random(11)
    box.ask("promote", "late", "v2")
    with traffic(box) as clients:
        for _ in range(3):
            moments(clients, 0.3 + draw.random())
            box.kill("serve")
            killed = time.monotonic()
            eventually("answers again", partial(answered_since, clients, killed))
            back.append(round(time.monotonic() - killed, 2))
            assert clients.answered[-1].version == "v2"
    record_property("serving_back_s", back)
    assert any("was started again" in text for text in box.events())
    box.down()
    assert not any(missing(box, clients).values())


def test_a_job_dies_with_its_engine_and_its_run_is_called_interrupted(
    box: Box, record_property: Note
) -> None:
    box.run("train", "late")
    job = eventually("the training's process", lambda: box.pid("job"))
    group = os.getpgid(job)
    killed = time.monotonic()
    box.kill("run")
    eventually("the whole group is gone", lambda: not members(group), 10.0)
    record_property("job_gone_s", round(time.monotonic() - killed, 3))
    eventually("the engine is back", box.answers)
    run = next(j for j in box.ask("jobs") if j["id"] == "r3")
    assert (run["state"], run["version"]) == ("interrupted", None)
    assert any("was interrupted" in text for text in box.events())
    again = box.ask("monitor", "late", "--wait")
    assert again["state"] == "done"
    following = box.control.jobs()
    box.run("train", "late")
    eventually("the next training runs", lambda: box.pid("job"))
    assert len(box.control.jobs()) == len(following) + 1


def answered_since(clients: Traffic, moment: float) -> bool:
    """Say whether a request that began after a moment was answered."""
    return clients.answered[-1].began > moment


def members(group: int) -> list[int]:
    """Return the living processes of a group."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, _, owner = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:3]
        except OSError:
            continue
        if int(owner) == group and state != "Z":
            found.append(int(entry.name))
    return found
