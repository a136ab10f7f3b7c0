"""Several workers as one prediction service: deaths, silence, changes, counts; real processes."""

import asyncio
import os
import re
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from engine.errors import UnavailableError
from engine.listening import bind_port
from engine.serving.control import AskStatus, ServingStatus, WorkerStatus, bind
from engine.serving.control import ask as ask_process
from engine.serving.crew import Crew
from engine.spool import PredictionRecord, segments
from engine.workspace import Workspace

from .conftest import SETTINGS, Service, make_rows, set_roles
from .test_process import PATH, body, records, started_wrongly

Start = Callable[..., Service]
PATIENCE_S = 120.0


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    """A workspace that two workers serve."""
    workspace.config.write_text("[serving]\nworkers = 2\n" + SETTINGS)
    return workspace


def until(holds: Callable[[], Any]) -> Any:
    """Wait until something holds and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)
    return found


def workers(service: Service, *, without: int = 0) -> list[WorkerStatus]:
    """Wait until both places are manned, none of them by a process that died, and return who is."""

    def manned() -> list[WorkerStatus]:
        try:
            found = service.link.status().workers
        except UnavailableError:  # on a busy machine both may be silent for a moment
            return []
        return found if len(found) == 2 and without not in [w.pid for w in found] else []

    found: list[WorkerStatus] = until(manned)
    return found


def killed(service: Service) -> int:
    """Kill a worker, wait until it is dead, and return which it was."""
    pid = workers(service)[0].pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: not lives(pid))
    return pid


def lives(pid: int) -> bool:
    """Say whether a process is there and not merely unburied."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Caller(Thread):
    """One connection that asks without pause until it breaks or is told to end."""

    def __init__(self, url: str, number: int) -> None:
        super().__init__()
        self.answers: list[tuple[float, dict[str, Any]]] = []
        self.failure = ""
        self._url = url
        self._content = body(2, number)
        self.ended = Event()
        self.start()

    def run(self) -> None:
        """Ask, and remember when each answered question was put."""
        with httpx.Client(timeout=PATIENCE_S) as client:
            while not self.ended.is_set():
                began = time.monotonic()
                try:
                    answer = client.post(self._url + PATH, content=self._content)
                except httpx.TransportError as e:
                    self.failure = repr(e)
                    return
                if answer.status_code != 200:
                    self.failure = f"{answer.status_code} {answer.text}"
                    return
                self.answers.append((began, answer.json()))

    @property
    def boot(self) -> str:
        """Return which process answers this connection."""
        ids = {p["prediction_id"] for _, a in self.answers for p in a["predictions"]}
        (boot,) = {i.partition("-")[0] for i in ids}
        return boot


@contextmanager
def calling(url: str, n: int) -> Iterator[list[Caller]]:
    """Have n connections that all have been answered; end them afterwards."""
    callers = [Caller(url, number) for number in range(n)]
    try:
        until(lambda: all(len(c.answers) > 5 for c in callers))
        yield callers
    finally:
        for caller in callers:
            caller.ended.set()
        for caller in callers:
            caller.join()


@contextmanager
def reaching_all(url: str) -> Iterator[list[httpx.Client]]:
    """Open connections, each of which has been answered once, until both workers have one."""
    clients: list[httpx.Client] = []
    boots: set[str] = set()

    def reached() -> bool:
        clients.append(httpx.Client(base_url=url, timeout=PATIENCE_S))
        found = clients[-1].post(PATH, content=body()).json()
        boots.add(found["predictions"][0]["prediction_id"].partition("-")[0])
        return len(boots) == 2

    try:
        until(reached)
        yield clients
    finally:
        for client in clients:
            client.close()


def ask(url: str) -> dict[str, Any]:
    """Ask over a connection of its own."""
    found: dict[str, Any] = httpx.post(url + PATH, content=body(), timeout=PATIENCE_S).json()
    return found


def counted(url: str) -> float:
    """Return all rows answered, as Prometheus sees them by whichever worker it meets."""
    text = httpx.get(url + "/metrics", timeout=PATIENCE_S).text
    found = re.findall(r'^cdml_predictions_total\{code="200".*\} (\S+)$', text, re.MULTILINE)
    return sum(map(float, found))


def test_kill_9_of_a_worker_is_noticed_by_its_own_connections_only(
    workspace: Workspace, start: Start
) -> None:
    service = start()
    workers(service)
    with calling(service.url, 6) as callers:
        victim = killed(service)
        began = time.monotonic()
        # The port is the keeper's: nobody new is refused meanwhile.
        new = [ask(service.url) for _ in range(20)]
        workers(service, without=victim)
        took = time.monotonic() - began
        held = [c for c in callers if not c.failure]
        before = [len(c.answers) for c in held]
        until(lambda: all(len(c.answers) > n for c, n in zip(held, before, strict=True)))
    broken = [c for c in callers if c.failure]
    assert len({c.boot for c in broken}) <= 1
    assert not {c.boot for c in broken} & {c.boot for c in held}
    assert took < 30  # under 3 s where the machine is quiet
    assert service.stop() == 0
    every = [a for c in callers for _, a in c.answers] + new
    promised = [p["prediction_id"] for a in every if a["logged"] for p in a["predictions"]]
    assert len(promised) == sum(len(a["predictions"]) for a in every)
    found = [r for r in records(workspace) if isinstance(r, PredictionRecord)]
    written = Counter(i for r in found for i in r.prediction_ids)
    assert set(written.values()) == {1}
    assert len(set(promised)) == len(promised)
    assert set(promised) <= set(written)
    # Written but not acknowledged is what was in flight: two rows a connection.
    assert len(written) - len(promised) <= 2 * 6
    assert all(s.sealed for s in segments(workspace.spool))


def test_a_change_waits_for_no_silent_worker_and_none_answers_by_what_was_left(
    workspace: Workspace, start: Start
) -> None:
    service = start()
    stopped, _ = workers(service)
    with calling(service.url, 4) as callers:
        os.kill(stopped.pid, signal.SIGSTOP)
        generation = set_roles(workspace, "late", champion="v2", standby=("v1",))
        began = time.monotonic()
        synced = service.link.sync("late", timeout_s=PATIENCE_S)
        acknowledged = time.monotonic()
        assert synced.generations["late"] == generation
        assert not lives(stopped.pid)
        assert acknowledged - began < 30  # under 0.5 s where the machine is quiet
        after = [ask(service.url) for _ in range(20)]
        now = workers(service, without=stopped.pid)
        after += [ask(service.url) for _ in range(40)]
    assert {w.generations["late"] for w in now} == {generation}
    after += [a for c in callers for put, a in c.answers if put > acknowledged]
    assert {a["generation"] for a in after} == {generation}
    assert {p["version"] for a in after for p in a["predictions"]} == {"v2"}


def test_a_worker_that_starts_during_a_change_never_answers_by_what_was_left(
    workspace: Workspace, start: Start
) -> None:
    service = start()
    for n in range(2):
        victim = killed(service)
        generation = set_roles(workspace, "late", champion=("v2", "v1")[n % 2])
        synced = service.link.sync("late", timeout_s=PATIENCE_S)
        assert synced.generations["late"] == generation
        found = [ask(service.url)["generation"] for _ in range(10)]
        workers(service, without=victim)
        found += [ask(service.url)["generation"] for _ in range(10)]
        assert set(found) == {generation}


def test_what_the_workers_count_adds_up_and_never_falls(workspace: Workspace, start: Start) -> None:
    service = start()
    workers(service)
    with reaching_all(service.url) as clients:
        for n in range(20 - len(clients)):
            clients[n % len(clients)].post(PATH, content=body())
    assert all(w.requests > 0 for w in workers(service))
    seen = [counted(service.url) for _ in range(6)]
    assert seen == [20.0] * 6
    status = service.link.status()
    late = next(m for m in status.models if m.model == "late")
    assert (late.answers, late.latency["v1"].n) == ({"v1": 20}, 20)
    assert status.pid == service.process.pid
    assert status.rss_bytes > sum(w.rss_bytes for w in status.workers)
    assert set(late.memory) == set(late.loaded) == {"v1", "v2", "v3"}
    victim = killed(service)
    for _ in range(10):
        ask(service.url)
        seen.append(counted(service.url))
    workers(service, without=victim)
    for _ in range(10):
        ask(service.url)
        seen.append(counted(service.url))
    assert seen == sorted(seen)
    assert seen[-1] == 40.0
    text = httpx.get(service.url + "/metrics").text
    assert 'cdml_generation{model="late"} 1.0' in text
    assert re.search(r'^cdml_version_bytes\{model="late",version="v1"\} [1-9]', text, re.MULTILINE)
    assert re.search(r"^cdml_spool_bytes [1-9]", text, re.MULTILINE)


def test_every_question_reaches_all(workspace: Workspace, start: Start) -> None:
    service = start()
    pids = [w.pid for w in workers(service)]
    with reaching_all(service.url) as clients:
        answered = len(clients)
    probed = service.link.probe("late", "v2", make_rows(3))
    assert (len(probed.answers), probed.in_memory) == (3, True)
    service.link.flush()
    found = [r for r in records(workspace) if isinstance(r, PredictionRecord)]
    assert sum(len(r.prediction_ids) for r in found) == answered
    assert service.link.stop().pid == service.process.pid
    assert service.process.wait(PATIENCE_S) == 0
    assert not any(lives(pid) for pid in pids)


def test_sigterm_drains_all_and_leaves_nothing(workspace: Workspace, start: Start) -> None:
    service = start()
    pids = [w.pid for w in workers(service)]
    with calling(service.url, 4) as callers:
        assert service.stop() == 0
    # Between two answers a connection is closed; what was asked has been answered.
    assert all("Error" in c.failure for c in callers)
    assert not any(lives(pid) for pid in pids)
    assert not list(workspace.run.glob("*.sock"))
    assert all(s.sealed for s in segments(workspace.spool))
    address = httpx.URL(service.url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.host, address.port or 0), timeout=5)


def test_the_workers_die_with_their_keeper(workspace: Workspace, start: Start) -> None:
    service = start()
    pids = [w.pid for w in workers(service)]
    service.kill()
    until(lambda: not any(lives(pid) for pid in pids))
    assert {w.generations["late"] for w in workers(start())} == {1}


def test_workers_that_cannot_start_are_told_of_in_a_sentence(workspace: Workspace) -> None:
    workspace.ledger.unlink()
    assert "cdml init" in started_wrongly(workspace, "127.0.0.1:0")


def test_lost_files_of_counts_end_nobody(workspace: Workspace, start: Start) -> None:
    service = start()
    workers(service)
    for path in (workspace.run / "metrics").glob("*.db"):
        path.unlink()
    workers(service, without=killed(service))
    assert lives(service.process.pid)
    assert ask(service.url)["generation"] == 1


async def test_a_worker_that_cannot_be_started_ends_no_other(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def holds(n: int) -> list[WorkerStatus]:
        async with asyncio.timeout(PATIENCE_S):
            while len(found := await manned()) != n:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        return found

    async def manned() -> list[WorkerStatus]:
        try:
            found = await ask_process(workspace.serving_socket, AskStatus(), ServingStatus)
        except UnavailableError:  # on a busy machine both may be silent for a moment
            return []
        return found.workers

    with bind_port("127.0.0.1:0") as port, bind(workspace.serving_socket) as control:
        port.setblocking(False)
        crew = Crew(workspace, 2, port)
        keeping = asyncio.create_task(crew.keep(control))
        victim = (await holds(2))[0].pid
        with monkeypatch.context() as patch:
            patch.setattr("sys.executable", "/nowhere/python")
            os.kill(victim, signal.SIGKILL)
            await holds(1)
        await holds(2)
        crew.stop()
        assert await keeping == 0


def test_a_replay_has_one_worker(workspace: Workspace, start: Start) -> None:
    status = start(seed=3).link.status()
    assert [w.pid for w in status.workers] == [status.pid]
