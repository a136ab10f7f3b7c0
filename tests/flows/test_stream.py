"""The live stream: whoever was away is told everything that happened meanwhile."""

import uuid

import pytest

from cdml_tui.client import Client, EngineLost
from engine.wire import LockRequest
from tests.box import Box


def follow(box: Box, after: int, until: int) -> list[int]:
    """Follow the stream from after one id until another and return the ids that came."""
    client, ids = Client(box.path / "run" / "engine.sock"), []
    for item in client.events(after):
        if item.event is not None:
            ids.append(item.event.id)
            if item.event.id >= until:
                break
    client.close()
    return ids


def locked(box: Box, times: int) -> int:
    """Make events: hold and resume so often; return the id of the last one."""
    for _ in range(times):
        box.control.lock("hold", "late", LockRequest(uuid.uuid4().hex))
        box.control.lock("resume", "late", LockRequest(uuid.uuid4().hex))
    return box.control.recent_events(1)[-1].id


def test_a_follower_that_reconnects_misses_nothing(box: Box) -> None:
    start = box.control.recent_events(1)[-1].id
    middle = locked(box, 5)
    assert follow(box, start, middle) == list(range(start + 1, middle + 1))
    # More than one answer of the engine holds, and a restart of the engine in between.
    end = locked(box, 400)
    box.down()
    box.up()
    assert follow(box, middle, end) == list(range(middle + 1, end + 1))


def test_a_follower_is_told_when_the_engine_is_gone(box: Box) -> None:
    stream = box.control.events()
    next(stream)
    box.kill("supervise")
    box.kill("run")
    with pytest.raises(EngineLost):
        for _ in stream:
            pass
