"""The serving process as a whole: swaps, deaths, damage; no client notices."""

import json
import socket
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from engine.errors import InvalidError, UnavailableError, UnknownError
from engine.serving.control import ServingLink, bind, short_path
from engine.serving.server import boot_name
from engine.spool import LabelRecord, PredictionRecord, ShadowRecord, decode, read, segments
from engine.workspace import Workspace

from .conftest import START, Service, make_rows, seal, set_roles

PATH = "/v1/models/late/predict"
Start = Callable[..., Service]


def body(n: int = 1, seed: int = 0) -> bytes:
    """A request of n rows."""
    rows = make_rows(n, seed)
    named = [{"id": f"u{seed}-{k}", "features": row} for k, row in enumerate(rows)]
    return json.dumps({"rows": named}).encode()


class Load:
    """Clients that ask without pause and remember every answer."""

    def __init__(self, url: str, clients: int = 3, path: str = PATH) -> None:
        self.answers: list[dict[str, Any]] = []
        self.times: list[tuple[float, float, int]] = []
        self.failures: list[str] = []
        self._ended = Event()
        self._url = url + path
        self._threads = [Thread(target=self._run, args=(n,)) for n in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        content = body(2, number)
        with httpx.Client(timeout=30) as client:
            while not self._ended.is_set():
                began = time.monotonic()
                try:
                    answer = client.post(self._url, content=content)
                except httpx.TransportError as e:
                    self.failures.append(repr(e))
                    return
                if answer.status_code != 200:
                    self.failures.append(answer.text)
                    continue
                found = answer.json()
                self.answers.append(found)
                self.times.append((began, time.monotonic(), found["generation"]))

    def until(self, n: int) -> None:
        """Wait until n more answers came."""
        goal = len(self.answers) + n
        deadline = time.monotonic() + 60
        while len(self.answers) < goal and time.monotonic() < deadline:
            time.sleep(0.002)
        assert len(self.answers) >= goal, self.failures[:3]

    def stop(self) -> None:
        """End the clients."""
        self._ended.set()
        for thread in self._threads:
            thread.join()


def records(workspace: Workspace) -> list[Any]:
    """Everything in the spool, in order."""
    found = segments(workspace.spool)
    return [decode(r.payload) for s in found for r in read(s.path, sealed=s.sealed)]


def test_fifty_swaps_under_load_fail_nobody_and_none_is_late(
    workspace: Workspace, start: Start
) -> None:
    service = start()
    load = Load(service.url)
    load.until(20)
    acknowledged: list[tuple[float, int]] = []
    took = []
    for n in range(50):
        champion, other = ("v2", "v1") if n % 2 == 0 else ("v1", "v2")
        generation = set_roles(workspace, "late", champion=champion, standby=(other, "v3"))
        began = time.monotonic()
        synced = service.link.sync("late")
        took.append(time.monotonic() - began)
        assert synced.generations["late"] == generation
        assert synced.failures == {}
        acknowledged.append((time.monotonic(), generation))
        load.until(2)
    load.stop()
    assert load.failures == []
    for sent, _, generation in load.times:
        newest = max((g for at, g in acknowledged if at <= sent), default=1)
        assert generation >= newest
    for answer in load.answers:
        expected = "v1" if answer["generation"] % 2 else "v2"
        assert {p["version"] for p in answer["predictions"]} == {expected}
    assert sorted(took)[len(took) // 2] < 0.1
    status = service.link.status()
    assert (status.failed, status.dropped) == (0, 0)


def test_kill_9_under_load_loses_no_acknowledged_row_and_doubles_none(
    workspace: Workspace, start: Start
) -> None:
    answers: list[dict[str, Any]] = []
    labelled = 0
    for _ in range(2):
        service = start()
        load = Load(service.url)
        load.until(150)
        label = {"id": f"f-{labelled}", "ts": "2013-07-01T18:00:00Z", "value": True}
        sent = httpx.post(f"{service.url}/v1/models/late/labels", json={"labels": [label]})
        labelled += sent.status_code == 200
        service.kill()
        load.stop()
        answers += load.answers
    logged = [p["prediction_id"] for a in answers if a["logged"] for p in a["predictions"]]
    assert len(logged) == 2 * len(answers)
    found = records(workspace)
    rows = Counter(i for f in found if isinstance(f, PredictionRecord) for i in f.prediction_ids)
    assert max(rows.values()) == 1
    assert set(logged) <= set(rows)
    # What was written but not acknowledged is at most what was in flight.
    assert len(rows) - len(logged) <= 2 * 3 * 2
    assert sum(isinstance(f, LabelRecord) for f in found) == labelled == 2


def test_a_version_that_fails_its_probe_changes_nothing_that_serves(
    workspace: Workspace, start: Start
) -> None:
    service = start()
    bad = seal(workspace, "late", "binary", 5, probe_answers=[[0.5]] * 5)
    set_roles(workspace, "late", champion=bad, standby=("v1",))
    synced = service.link.sync()
    assert synced.generations["late"] == 1
    assert "probe rows" in synced.failures[f"late/{bad}"]
    answer = httpx.post(service.url + PATH, content=body()).json()
    assert (answer["generation"], answer["predictions"][0]["version"]) == (1, "v1")
    late = next(m for m in service.link.status().models if m.model == "late")
    assert (late.champion, list(late.failures)) == ("v1", [bad])
    set_roles(workspace, "late", champion="v1", standby=("v2",))
    assert service.link.sync().generations["late"] == 3


def test_a_damaged_artifact_is_named_and_not_served(workspace: Workspace, start: Start) -> None:
    for number, path in enumerate(sorted(workspace.artifacts.glob("*.skops"))):
        content = bytearray(path.read_bytes())
        path.unlink()
        if number % 2:
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
    service = start()
    answer = httpx.post(service.url + PATH, content=body())
    assert answer.status_code == 503
    late = next(m for m in service.link.status().models if m.model == "late")
    assert (late.champion, set(late.failures)) == (None, {"v1", "v2", "v3"})


def test_a_lost_nudge_is_repaired_by_the_poll(workspace: Workspace, start: Start) -> None:
    service = start()
    set_roles(workspace, "late", champion="v3", standby=("v1",))
    deadline = time.monotonic() + 30
    seen = ""
    while seen != "v3" and time.monotonic() < deadline:
        found = httpx.post(service.url + PATH, content=body()).json()
        seen = found["predictions"][0]["version"]
        time.sleep(0.05)
    assert seen == "v3"


def test_canary_and_shadow_take_their_part_and_everything_is_logged(
    workspace: Workspace, start: Start
) -> None:
    service = start(seed=1)
    set_roles(
        workspace,
        "late",
        champion="v1",
        canary="v2",
        canary_share_pct=25.0,
        shadow="v3",
        salt="s1",
    )
    service.link.sync()
    with httpx.Client(base_url=service.url) as client:
        first = client.post(PATH, content=body(1000)).json()["predictions"]
        again = client.post(PATH, content=body(1000)).json()["predictions"]
    share = sum(p["version"] == "v2" for p in first) / 1000
    assert 0.2 < share < 0.3
    assert [p["version"] for p in first] == [p["version"] for p in again]
    flushed = service.link.flush()
    found = records(workspace)
    assert flushed.offset == segments(workspace.spool)[-1].size
    predicted = [f for f in found if isinstance(f, PredictionRecord)]
    answered = {
        i: {name: column[at] for name, column in f.features.items()}
        for f in predicted
        for at, i in enumerate(f.prediction_ids)
    }
    roles = Counter(f.role for f in predicted for _ in f.prediction_ids)
    assert roles == {"champion": 2000 - roles["canary"], "canary": 2 * round(share * 1000)}
    shadows = [f for f in found if isinstance(f, ShadowRecord)]
    ids = [i for s in shadows for i in s.prediction_ids]
    assert sorted(ids) == sorted(answered)
    assert {s.version for s in shadows} == {"v3"}
    rows = [answered[i] for i in ids[:50]]
    probed = service.link.probe("late", "v3", rows)
    assert probed.in_memory
    scores = [a for s in shadows for a in s.answers][:50]
    assert [round(a[0], 12) for a in probed.answers] == [round(a[0], 12) for a in scores]
    late = next(m for m in service.link.status().models if m.model == "late")
    assert late.answers == {"v1": roles["champion"], "v2": roles["canary"]}


def test_the_same_seed_gives_the_same_ids_and_never_twice_in_one_workspace(
    workspace: Workspace, start: Start, tmp_path: Path
) -> None:
    service = start(seed=7)
    found = httpx.post(service.url + PATH, content=body(2)).json()
    ids = [p["prediction_id"] for p in found["predictions"]]
    assert boot_name(tmp_path, seed=7) == service.link.status().boot
    assert ids == [f"{boot_name(tmp_path, seed=7)}-{n}" for n in (1, 2)]
    assert service.stop() == 0
    assert boot_name(workspace.spool, seed=7) != boot_name(tmp_path, seed=7)
    assert boot_name(tmp_path, seed=None) != boot_name(tmp_path, seed=None)


def test_probing_loads_a_version_for_that_alone(shared: Service) -> None:
    name = seal(shared.workspace, "late", "binary", 6)
    probed = shared.link.probe("late", name, make_rows(10))
    assert (len(probed.answers), probed.in_memory) == (10, False)
    late = next(m for m in shared.link.status().models if m.model == "late")
    assert name not in late.loaded
    with pytest.raises(UnknownError):
        shared.link.probe("late", "v99", make_rows(1))
    with pytest.raises(InvalidError):
        shared.link.probe("late", "v1", [{"hour": 1.0}])


def test_stopping_drains_seals_and_leaves_no_socket(workspace: Workspace, start: Start) -> None:
    service = start()
    assert stat.S_IMODE(workspace.serving_socket.stat().st_mode) == 0o600
    load = Load(service.url)
    load.until(30)
    assert service.link.stop().pid == service.process.pid
    assert service.process.wait(10) == 0
    load.stop()
    # Clients see only closed connections, never a wrong answer.
    assert all("Error" in failure for failure in load.failures)
    assert not workspace.serving_socket.exists()
    assert all(s.sealed for s in segments(workspace.spool))
    with pytest.raises(UnavailableError):
        ServingLink(workspace.serving_socket).status()


def test_a_socket_left_by_a_dead_process_is_taken_over(workspace: Workspace, start: Start) -> None:
    start().kill()
    assert workspace.serving_socket.exists()
    assert start().link.status().models[-1].champion == "v1"


def test_a_control_question_of_nonsense_harms_nobody(shared: Service) -> None:
    for content in (b"\xff\xff\xff\xff", b"\x03\x00\x00\x00abc", b""):
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(shared.workspace.serving_socket))
            link.sendall(content)
            link.shutdown(socket.SHUT_WR)
            link.recv(1000)
    assert shared.link.status().pid == shared.process.pid


def started_wrongly(workspace: Workspace, listen: str) -> str:
    """Start a process that must refuse, and return what it said."""
    done = subprocess.run(
        [sys.executable, "-c", START, str(workspace.root), listen],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_what_cannot_be_served_is_refused_with_a_sentence(workspace: Workspace) -> None:
    assert "cdml token new" in started_wrongly(workspace, "0.0.0.0:8080")
    assert "host:port" in started_wrongly(workspace, "nowhere")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "Address already in use" in started_wrongly(workspace, f"127.0.0.1:{port}")
    workspace.ledger.unlink()
    assert "cdml init" in started_wrongly(workspace, "127.0.0.1:0")


def test_a_second_process_on_the_workspace_is_refused(shared: Service) -> None:
    assert "answers there already" in started_wrongly(shared.workspace, "127.0.0.1:0")
    assert shared.link.status().pid == shared.process.pid


def test_a_deep_workspace_has_a_control_socket_too(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    with bind(folder / "serving.sock") as listener, socket.socket(socket.AF_UNIX) as link:
        with short_path(folder / "serving.sock") as address:
            link.connect(address)
        listener.accept()[0].close()


def test_a_file_in_the_sockets_place_is_not_removed(workspace: Workspace) -> None:
    workspace.serving_socket.write_text("mine")
    assert "no socket" in started_wrongly(workspace, "127.0.0.1:0")
    assert workspace.serving_socket.read_text() == "mine"


def test_a_full_disk_costs_log_records_and_no_answer(workspace: Workspace, start: Start) -> None:
    service = start()
    limits = f"--fsize={16_000}:unlimited"
    subprocess.run(["prlimit", "--pid", str(service.process.pid), limits], check=True)
    with httpx.Client(base_url=service.url) as client:
        answers = [client.post(PATH, content=body(20)).json() for _ in range(30)]
        logged = [a["logged"] for a in answers]
        assert logged[0] is True
        assert logged[-1] is False
        assert all(len(a["predictions"]) == 20 for a in answers)
        labels = {"labels": [{"id": "a" * 200, "ts": "2013-07-01", "value": True}] * 500}
        refused = client.post("/v1/models/late/labels", json=labels)
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "log_unavailable"
        assert service.link.status().dropped == logged.count(False) + 1
        assert f"cdml_log_dropped_total {logged.count(False) + 1}.0" in client.get("/metrics").text
        subprocess.run(
            ["prlimit", "--pid", str(service.process.pid), "--fsize=unlimited"], check=True
        )
        assert client.post(PATH, content=body(20)).json()["logged"] is True
        assert client.post("/v1/models/late/labels", json=labels).status_code == 200
    predicted = [f for f in records(workspace) if isinstance(f, PredictionRecord)]
    written = {i for f in predicted for i in f.prediction_ids}
    promised = {p["prediction_id"] for a in answers if a["logged"] for p in a["predictions"]}
    assert promised <= written
