"""No disk space left: predictions go on, changes say so, everything returns with the space."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cdml_tui.client import ConsoleError
from engine.wire import Change, LockRequest, RunRequest
from tests.box import Box, copied, eventually
from tests.faults.full import disk, fill
from tests.traffic import missing, traffic

DISK = b"size=160m,mode=755"


@pytest.fixture
def box(tmp_path: Path, stock: Path) -> Iterator[Box]:
    """Return a running workspace on a small file system."""
    with disk(tmp_path / "disk", DISK) as small, copied(stock, small / "box") as box:
        box.up()
        yield box


def attempt(act: Callable[[], object]) -> str:
    """Do something; return "done" or the clear error it ended with."""
    try:
        act()
    except ConsoleError as fault:
        found = fault
    else:
        return "done"
    assert found.status == 503, found.message
    assert "unforeseen" not in found.message
    return found.message


def test_a_full_disk_stops_no_prediction_and_loses_nothing(
    box: Box, record_property: Callable[[str, object], None]
) -> None:
    engine, serving = box.pid("run"), box.pid("serve")
    with traffic(box, 60.0) as clients:
        eventually("traffic", lambda: len(clients.answered) > 30)
        caught = box.control.start("train", "late", RunRequest("under way"))
        job = eventually("a training that the full disk catches", lambda: box.pid("job"))
        fill(box.path.parent / "ballast")
        full = time.monotonic()
        eventually("a dropped record", lambda: not clients.answered[-1].logged)
        promotion = Change("a", "v1", "v2")
        said = {
            "promote": attempt(lambda: box.control.change("promote", "late", promotion)),
            "hold": attempt(lambda: box.control.lock("hold", "late", LockRequest("b"))),
            "train": attempt(lambda: box.control.start("train", "late", RunRequest("c"))),
        }
        for text in said.values():
            assert text == "done" or "ree disk space" in text
        # More than what is left of the last page that the log has already.
        many = [{"id": f"n{n}", "ts": "2024-02-01T09:00:00Z", "value": True} for n in range(500)]
        status, answer = box.post("labels", json.dumps({"labels": many}).encode())
        assert status == 503
        assert "space" in answer["error"]["message"]
        eventually("time passes", lambda: time.monotonic() > full + 3.0)
        eventually("the training has met the full disk", lambda: box.pid("job") != job)
        champion = clients.answered[-1].version

        (box.path.parent / "ballast").unlink()
        freed = time.monotonic()
        eventually("records are kept again", lambda: clients.answered[-1].logged)
        record_property("logged_again_s", round(time.monotonic() - freed, 2))
        held = LockRequest("d")
        eventually("changes are taken again", lambda: attempt(
            lambda: box.control.lock("hold", "late", held)) == "done")  # fmt: skip
        assert box.champion() == champion
        eventually("its end is known", lambda: box.control.job(caught.id).state == "failed")
        run = box.control.start("monitor", "late", RunRequest("e"))
        eventually("a run is worked again", lambda: box.control.job(run.id).state == "done")
    record_property("said", said)
    assert clients.failed == []
    assert (box.pid("run"), box.pid("serve")) == (engine, serving)
    assert box.ask("audit", "--verify")["verified"] is True
    box.down()
    assert not any(missing(box, clients).values())
