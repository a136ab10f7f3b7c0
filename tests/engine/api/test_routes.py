"""Every route of the control API answers; every error has its status and its three parts."""

import grp
import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest
from litestar.routes import HTTPRoute

from engine import errors
from engine.api import bodies
from engine.api.app import STATUS, application
from engine.api.desk import Desk
from engine.api.peer import actor_of
from engine.api.roles import role_of
from engine.api.stream import Hub
from engine.domain.alerts import Finding
from engine.errors import CdmlError
from engine.jobs import triggers
from engine.jobs.runner import Runner
from engine.ledger.change import ENGINE
from engine.outlets import Outlets
from engine.pipeline import alerts, incidents, scoring
from engine.pipeline.ingest import ingest
from engine.settings_roles import RolesSettings
from engine.telemetry.stalls import Stalls
from engine.wire import JobRow, Onlooker, ScheduleRow, ServingState
from tests.engine.pipeline.place import Place, csv

# Nobody knows these users; their groups are real ones of this machine.
GROUPS = [g for g in grp.getgrall() if g.gr_gid not in (0, os.getgid())][:3]
PEERS = {
    role: (2, 4_000_000, group.gr_gid)
    for role, group in zip(("viewer", "operator", "admin"), GROUPS, strict=True)
}
ROLES = RolesSettings(**{role: g.gr_name for role, g in zip(PEERS, GROUPS, strict=True)})
ME, STRANGER, VIEWER = (1, os.getuid(), os.getgid()), (2, 4_000_000, 4_000_000), PEERS["viewer"]
CHANGES = ["promote", "rollback", "undo", "hold", "resume", "train", "monitor", "validate"]


class Conducted:
    """Keeps the beat of a test: a real runner, no serving process."""

    pid, boot, started, version = 1, "b", "2024-03-01T00:00:00Z", "0"

    def __init__(self, place: Place) -> None:
        self.place = place
        self.runner = Runner(place)
        self.stopped = False

    def submit(self, model: str, job: str, cause: str, version: str | None = None) -> JobRow:
        return self.runner.submit(model, job, cause, version)

    def measure(self, model: str, verb: str, inputs: Any, answer: Any) -> Any:
        return scoring.score(inputs, lambda *_: None)

    def runs(self, limit: int = 50) -> list[JobRow]:
        return self.runner.rows(limit)

    def a_run(self, run: str) -> JobRow:
        return self.runner.row(run)

    def check_cancel(self, run: str) -> None:
        self.runner.check_cancel(run)

    def cancel(self, run: str) -> JobRow:
        return self.runner.cancel(run)

    def untold(self) -> dict[str, str]:
        return {}

    def schedules(self) -> list[ScheduleRow]:
        return triggers.rows(self.place)

    def arrived(self, model: str) -> None:
        triggers.new_data(self.place, self.runner, [model])

    def move(self, to: str) -> None:
        raise AssertionError

    def reload(self) -> str:
        return "read again"

    def wake_due(self) -> None:
        triggers.due(self.place, self.runner)

    def stop(self) -> None:
        self.stopped = True

    def serving_state(self) -> ServingState:
        return ServingState(True, 1, "127.0.0.1:1", 0, 0, 0, 0, None, None, None)

    def answers(self, model: str) -> tuple[int, dict[str, int]]:
        roles = self.place.ledger.roles(model)
        return roles.generation, {roles.champion or "": 5}


class Caller:
    """A client of the application, with the peer that the socket would have proven."""

    def __init__(self, place: Place) -> None:
        self.conductor = Conducted(place)
        self.hub = Hub()
        stalls = Stalls()
        self.app: Any = application(
            Desk(place, self.conductor), self.hub, Outlets(place, stalls), stalls
        )
        self.peer = ME

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app({**scope, "state": {"peer": self.peer}}, receive, send)

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self, raise_app_exceptions=False)
        where = path if path.startswith("/") else f"/api/v1/{path}"
        async with httpx.AsyncClient(transport=transport, base_url="http://engine") as client:
            return await client.request(method, where, **more)

    async def change(self, verb: str, **body: Any) -> httpx.Response:
        return await self.ask("POST", f"models/late/{verb}", json={"idempotency_key": verb, **body})


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[Caller]:
    place = Place.made(tmp_path)
    place.settings = msgspec.structs.replace(place.settings, roles=ROLES)
    yield Caller(place)
    place.close()


@pytest.fixture
def served(caller: Caller) -> Caller:
    """The same with champions v1, v2 and a blessed v3."""
    place = caller.conductor.place
    place.champions(0.5, 0.4)
    place.blessed(against="v2")
    return caller


LOOKS = [
    "state", "status", "events/recent?limit=5", "jobs", "models/late/versions",
    "models/late/drift", "models/late/quality", "models/late/performance", "models/late/report",
    "models/late/batches", "models/late/quarantine", "models/late/schema",
    "alerts", "models/late/alerts/replay", "models/late/clients",
    "models/late/drift/shape?column=wind", "models/late/forecast", "models/late/kpi",
    "audit?limit=5&verify=true", "openapi.json",
]  # fmt: skip


@pytest.mark.parametrize("path", LOOKS)
async def test_every_look_answers_on_an_empty_workspace_even_to_a_viewer(
    caller: Caller, path: str
) -> None:
    caller.peer = VIEWER
    answer = await caller.ask("GET", path)
    assert answer.status_code == 200
    assert answer.json() is not None


async def test_the_state_says_who_asks_and_what_they_may(served: Caller) -> None:
    mine = (await served.ask("GET", "state")).json()
    assert mine["role"] == "admin"
    assert mine["models"][0]["champion"] == "v2"
    served.peer = VIEWER
    theirs = (await served.ask("GET", "state")).json()
    assert (theirs["you"], theirs["role"]) == ("uid 4000000", "viewer")


async def test_a_version_a_run_and_a_proof_can_be_looked_at(served: Caller) -> None:
    page = (await served.ask("GET", "models/late/versions/v2")).json()
    assert page["row"]["roles"] == ["champion", "anchor"]
    assert page["manifest"]["model"] == "late"
    proof = (await served.ask("GET", "models/late/proof?generation=2")).json()
    assert proof == {
        "model": "late", "generation": 2, "to": "v2", "by_version": {"v2": 5},
        "source": "live", "proven": True,
    }  # fmt: skip
    run = (await served.change("train", reason="new recipe")).json()
    assert run["cause"].endswith(": new recipe")
    assert (await served.ask("GET", f"jobs/{run['id']}")).json() == run


async def test_a_run_is_cancelled_once_by_a_key_and_the_audit_says_by_whom(
    served: Caller,
) -> None:
    run = (await served.change("train", reason="new recipe")).json()["id"]
    path, body = f"jobs/{run}/cancel", {"idempotency_key": "c1", "reason": "by mistake"}
    served.peer = VIEWER
    assert (await served.ask("POST", path, json=body)).status_code == 403
    served.peer = ME
    for _ in range(2):
        assert (await served.ask("POST", path, json=body)).json()["state"] == "cancelled"
    late = await served.ask("POST", path, json={"idempotency_key": "c2"})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "not_running")
    none = await served.ask("POST", "jobs/r999/cancel", json={"idempotency_key": "c3"})
    assert (none.status_code, none.json()["error"]["code"]) == (404, "unknown_run")
    entries = served.conductor.place.ledger.audit_entries(limit=10)
    (entry,) = [e for e in entries if e.action == "cancel"]
    assert (entry.reason, entry.detail["run"]) == ("by mistake", run)
    assert served.conductor.place.ledger.audit_fault() is None


async def test_two_versions_are_compared_and_one_is_judged_again(served: Caller) -> None:
    place = served.conductor.place
    ingest(place, "late", place.drop("a.csv", csv()))
    found = (await served.ask("GET", "models/late/compare?a=v1&b=v2")).json()
    assert (found["a"], found["b"], found["n"] > 0) == ("v1", "v2", True)
    assert found["lines"][0]["name"] == "log_loss"
    run = (await served.change("validate", version="v3", reason="again")).json()
    assert (run["job"], run["version"], run["state"]) == ("validate", "v3", "queued")
    assert run["cause"].endswith(": again")
    assert (await served.change("validate", version="v3", reason="again")).json() == run
    for version, status, code in (
        ("v2", 409, "self_comparison"),
        ("v9", 404, "unknown_version"),
        (None, 422, "no_version"),
    ):
        body = {"idempotency_key": f"k{version}", "version": version}
        answer = await served.ask("POST", "models/late/validate", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    same = await served.ask("GET", "models/late/compare?a=v1&b=v1")
    assert (same.status_code, same.json()["error"]["code"]) == (422, "self_comparison")


async def test_changes_carry_the_uid_that_the_socket_proved(served: Caller) -> None:
    promoted = await served.change("promote", to="v3", expect="v2")
    assert promoted.status_code == 200
    assert promoted.json()["from"] == "v2"
    back = (await served.change("rollback", expect="v3")).json()
    assert (back["from"], back["to"], back["changed"]) == ("v3", "v2", True)
    undone = (await served.change("undo")).json()
    assert undone["to"] == "v3"
    assert (await served.change("hold", reason="r")).json()["locks"][0]["kind"] == "hold"
    assert (await served.change("resume")).json()["locks"] == []
    audit = (await served.ask("GET", "audit?limit=1&verify=true")).json()
    assert audit["verified"]
    assert audit["entries"][0]["detail"]["actor"]["uid"] == os.getuid()


async def test_an_incident_is_listed_shown_noted_closed_and_reported(served: Caller) -> None:
    assert (await served.ask("GET", "incidents")).json() == []
    incidents.opened(served.conductor.place, "late", "cost over its limit", "v2")
    (row,) = (await served.ask("GET", "incidents")).json()
    assert (row["number"], row["closed"]) == (1, None)
    status = (await served.ask("GET", "status")).json()
    assert status["models"][0]["incident"] == 1
    noted = await served.ask("POST", "incidents/1", json={"text": "looking", "close": True})
    assert noted.status_code == 200
    kinds = [n["kind"] for n in (await served.ask("GET", "incidents/1")).json()["timeline"]]
    assert kinds == ["alert", "note", "action"]
    report = (await served.ask("GET", "incidents/1/report")).json()["text"]
    assert report.startswith("# Incident 1: cost over its limit")
    assert (await served.ask("GET", "incidents/9")).status_code == 404
    served.peer = VIEWER
    assert (await served.ask("POST", "incidents/1", json={"text": "no"})).status_code == 403


async def test_an_alert_is_listed_shown_acknowledged_and_muted_but_not_by_a_viewer(
    served: Caller,
) -> None:
    place = served.conductor.place
    assert (await served.ask("GET", "alerts")).json()["alerts"] == []
    found = Finding("kpi", "cost", 0.9, 0.5, 300, "cost 0.900, limit 0.5, n 300")
    alerts.settle(place, "late", [found], "v2", place.clock.now())
    (row,) = (await served.ask("GET", "alerts?model=late")).json()["alerts"]
    assert (row["number"], row["state"], row["text"]) == (1, "firing", found.text)
    assert (await served.ask("GET", "alerts/1")).json() == row
    state = (await served.ask("GET", "state")).json()["models"][0]
    assert (state["breach"], state["alerts"]) == (found.text, [row])
    replayed = (await served.ask("GET", "models/late/alerts/replay?since=2024-01-01")).json()
    assert replayed["looks"] == 0
    bad = await served.ask("GET", "models/late/alerts/replay?since=soon")
    assert (bad.status_code, bad.json()["error"]["code"]) == (422, "bad_time")
    for verb, body in (("ack", {}), ("mute", {"for": "12h"})):
        body = {"idempotency_key": verb, "reason": "seen", **body}
        path = f"alerts/1/{verb}"
        served.peer = VIEWER
        assert (await served.ask("POST", path, json=body)).status_code == 403
        served.peer = ME
        answer = (await served.ask("POST", path, json=body)).json()
        assert answer["changed"]
    assert answer["alert"]["state"] == "muted"
    assert (await served.ask("GET", "alerts?everything=1")).json()["alerts"][0]["number"] == 1
    assert (await served.ask("GET", "alerts/9")).status_code == 404
    place.clock.passes(hours=1)
    fine = replace(found, value=0.1, high=0.2)
    alerts.settle(place, "late", [fine], "v2", place.clock.now())
    over = await served.ask("POST", "alerts/1/ack", json={"idempotency_key": "k"})
    assert (over.status_code, over.json()["error"]["code"]) == (409, "alert_ended")


@pytest.mark.parametrize("verb", [*CHANGES, "ingest?name=a.csv", "labels?name=a.csv"])
async def test_a_viewer_changes_nothing(served: Caller, verb: str) -> None:
    served.peer = VIEWER
    before = served.conductor.place.ledger.audit_head()
    answer = await served.change(verb, to="v3")
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "forbidden"
    for path in ("reload", "stop"):
        assert (await served.ask("POST", path)).status_code == 403
    assert not served.conductor.stopped
    assert served.conductor.place.ledger.audit_head() == before
    assert served.conductor.runs() == []


async def test_files_are_taken_from_the_body_under_a_name_of_our_own(caller: Caller) -> None:
    name = "../../.../etc/pa ss*wd.csv"
    url = "models/late/ingest"
    answer = await caller.ask("POST", url, params={"name": name}, content=csv())
    assert answer.json()["verdict"] == "accepted"
    assert answer.json()["file"] == "pa_ss_wd.csv"
    assert [r.job for r in caller.conductor.runs()] == ["train"]
    again = await caller.ask("POST", url, params={"name": "b.csv"}, content=csv())
    assert again.json()["verdict"] == "duplicate"
    labels = await caller.ask(
        "POST", "models/late/labels", params={"name": "l.csv"}, content="id,value\n1,true\n"
    )
    assert labels.json()["rows"] == 1
    bad = await caller.ask(
        "POST", "models/late/labels", params={"name": "l.csv"}, content="a,b\n1,2\n"
    )
    assert bad.status_code == 422
    assert not list(caller.conductor.place.workspace.incoming("late").iterdir())


async def test_of_an_upload_that_broke_off_nothing_stays(caller: Caller) -> None:
    place = caller.conductor.place

    async def broken() -> AsyncIterator[bytes]:
        yield b"id,t,wind"
        raise ConnectionResetError

    desk = Desk(place, caller.conductor)
    with pytest.raises(CdmlError):
        await desk.upload("late", "a.csv", broken(), desk.take_file, ENGINE)
    assert not list(place.workspace.incoming("late").iterdir())

    async def gone() -> AsyncIterator[bytes]:
        yield b"id,t,wind"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await desk.upload("late", "a.csv", gone(), desk.take_file, ENGINE)
    assert not list(place.workspace.incoming("late").iterdir())


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "models/x/versions", None, 404, "unknown_model"),
        ("GET", "models/late/versions/v99", None, 404, "unknown_version"),
        ("GET", "jobs/r99", None, 404, "unknown_run"),
        ("GET", "nonsense", None, 404, "http_404"),
        ("GET", "models/late/proof", None, 400, "http_400"),
        ("DELETE", "state", None, 405, "http_405"),
        ("POST", "models/late/promote", {"idempotency_key": "a"}, 422, "no_version"),
        ("POST", "models/late/promote", {"to": "v1"}, 400, "http_400"),
        ("POST", "models/late/promote", "{", 400, "malformed_json"),
        ("POST", "models/late/promote", '{"to":"v1","to":"v2"}', 422, "duplicate_key"),
        ("POST", "incidents/" + "9" * 30, '{"text":"x"}', 404, "number_too_large"),
        ("GET", "alerts/" + "9" * 30, None, 404, "number_too_large"),
        ("POST", "models/late/promote", '{"x":' + "[" * 17 + "]" * 17 + "}", 400, "malformed_json"),
        ("POST", "models/late/promote", '"' + "x" * 2**20 + '"', 413, "http_413"),
        ("POST", "models/late/undo", {"idempotency_key": "a"}, 409, "not_undoable"),
        ("POST", "models/late/rollback", {"idempotency_key": "a", "expect": "v9"}, 409, "conflict"),
        ("POST", "clock", {"now": "2024-03-01T00:00:00Z"}, 404, "no_such_route"),
    ],
)
async def test_every_error_has_its_status_code_and_a_sentence(
    served: Caller, method: str, path: str, body: Any, status: int, code: str
) -> None:
    served.conductor.place.clock.passes(hours=1)
    content = body if isinstance(body, str) else json.dumps(body)
    answer = await served.ask(method, path, content=content if body is not None else None)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["code"] == code
    assert ". " in error["message"] or error["message"].endswith(".")


def test_every_family_of_errors_has_a_status_and_the_narrower_comes_first() -> None:
    ours = [k for k in vars(errors).values() if getattr(k, "__module__", "") == errors.__name__]
    families = [k for k in ours if isinstance(k, type) and k is not CdmlError]
    assert {kind for kind, _ in STATUS} == set(families)
    for at, (kind, _) in enumerate(STATUS):
        assert not any(issubclass(kind, before) for before, _ in STATUS[:at])


async def test_a_surprise_is_an_error_of_ours_without_a_trace(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caller.conductor.place.store.close()
    answer = await caller.ask("GET", "models/late/performance")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "unforeseen"
    assert "Traceback" not in answer.text
    assert "Traceback" in caplog.text


async def test_openapi_names_every_route(caller: Caller) -> None:
    document = (await caller.ask("GET", "openapi.json")).json()
    for verb in CHANGES:
        assert f"/api/v1/models/{{model}}/{verb}" in document["paths"]
    assert "ChangeAnswer" in document["components"]["schemas"]
    assert bodies.MAX_UPLOAD > 2**30


async def test_events_resume_after_an_id_and_hint_that_the_state_changed(served: Caller) -> None:
    ledger, hub = served.conductor.place.ledger, served.hub
    hub.bind()
    first = ledger.events()[0]
    who = Onlooker("anna", "viewer", "2024-03-01T00:00:00Z")
    found = hub.follow(ledger, first.id, who)
    texts = [(await anext(found)).decode() for _ in range(len(ledger.events()))]
    assert f"id: {first.id + 1}\nevent: event\n" in texts[0]
    assert texts[-1] == "event: state\ndata: \n\n"
    assert hub.onlookers == [who]
    seen = (await served.ask("GET", "state")).json()
    assert (seen["consoles"], seen["onlookers"][0]["user"]) == (1, "anna")
    await found.aclose()  # type: ignore[attr-defined]
    assert hub.onlookers == []


def test_the_engines_own_user_and_root_may_all_and_others_what_their_group_may() -> None:
    for groups in (RolesSettings(), ROLES):
        assert role_of(ME, groups) == role_of((1, 0, 0), groups) == "admin"
        assert role_of(STRANGER, groups) is None
    for role, peer in PEERS.items():
        assert role_of(peer, ROLES) == role
        assert role_of(peer, RolesSettings()) is None


def routes() -> list[tuple[str, str]]:
    """Every route of the control API as method and path, from the application itself."""
    made = application(cast(Any, None), Hub(), cast(Any, None), Stalls())
    found = [(m, r.path) for r in made.routes if isinstance(r, HTTPRoute) for m in r.methods]
    return sorted((m, path) for m, path in found if m in ("GET", "POST"))


ADMIN = ("/api/v1/reload", "/api/v1/stop", "/api/v1/clock")


@pytest.mark.parametrize("role", ["nobody", *PEERS])
async def test_every_route_lets_through_whom_its_role_may_and_nobody_else(
    served: Caller, role: str
) -> None:
    served.peer = PEERS.get(role, STRANGER)
    rank = {"nobody": -1, "viewer": 0, "operator": 1, "admin": 2}[role]
    filled = {"model": "none", "version": "v9", "run": "r", "number": "9"}
    assert len(routes()) > 50
    for method, path in routes():
        if path == "/api/v1/events":
            continue  # it never ends; its guard is the application's, as of every look
        needed = 0 if method == "GET" else 2 if path in ADMIN else 1
        url = re.sub(r"\{(\w+)(:\w+)?\}", lambda m: filled.get(m[1], "x"), path)
        answer = await served.ask(method, url.removeprefix("/api/v1/"), content=b"")
        forbidden = answer.status_code == 403
        assert forbidden == (rank < needed), f"{role} {method} {path}: {answer.status_code}"
        if forbidden:
            error = answer.json()["error"]
            assert error["code"] == "forbidden"
            assert "cdml.toml" in error["message"] or "group" in error["message"]


def test_who_asks_is_named_in_the_audit() -> None:
    assert actor_of({"peer": STRANGER}).name == "uid 4000000"
    assert actor_of({"peer": ME}).uid == os.getuid()


async def test_whoever_may_look_reads_the_numbers_for_prometheus(served: Caller) -> None:
    served.peer = VIEWER
    answer = await served.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'cdml_generation{model="late"} ' in answer.text
