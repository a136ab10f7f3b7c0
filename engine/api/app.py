"""The control API as routes: HTTP in, one call of the desk, wire values out. Holds no rule."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig
from litestar.params import JSONBody
from litestar.response import Stream

from engine import wire
from engine.api.desk import Desk
from engine.api.peer import actor_of, role_of
from engine.api.stream import Hub
from engine.errors import (
    CdmlError,
    ConflictError,
    CorruptError,
    InvalidError,
    RefusedError,
    UnavailableError,
    UnknownError,
)

STATUS: tuple[tuple[type[CdmlError], int], ...] = (
    (UnknownError, 404),
    (InvalidError, 422),
    (ConflictError, 409),
    (RefusedError, 409),
    (UnavailableError, 503),
    (CorruptError, 500),
)
MAX_UPLOAD = 2 * 2**30
Req = Request[Any, Any, Any]
log = logging.getLogger("cdml.api")


def application(desk: Desk, hub: Hub) -> Litestar:
    """Return the ASGI application over a desk."""

    @get("/api/v1/state", sync_to_thread=True)
    def state(request: Req) -> wire.State:
        peer = request.scope["state"]
        return desk.state(actor_of(peer).name, role_of(peer), hub.readers)

    @get("/api/v1/status", sync_to_thread=True)
    def status() -> wire.Status:
        return desk.status()

    @get("/api/v1/events")
    async def events(request: Req) -> Stream:
        resume = request.headers.get("last-event-id", "")
        after = int(resume) if resume.isdigit() else desk.ledger.last_event()
        return Stream(hub.follow(desk.ledger, after), media_type="text/event-stream")

    @get("/api/v1/events/recent", sync_to_thread=True)
    def recent(limit: int = 50) -> list[wire.EventRow]:
        return desk.ledger.events(limit=max(1, min(limit, 1000)))

    @get("/api/v1/jobs", sync_to_thread=True)
    def jobs() -> list[wire.JobRow]:
        return desk.runner.rows()

    @get("/api/v1/jobs/{run:str}", sync_to_thread=True)
    def job(run: str) -> wire.JobRow:
        return desk.runner.row(run)

    @get("/api/v1/models/{model:str}/versions", sync_to_thread=True)
    def versions(model: str) -> list[wire.VersionRow]:
        return desk.versions(model)

    @get("/api/v1/models/{model:str}/versions/{version:str}", sync_to_thread=True)
    def version(model: str, version: str) -> wire.VersionPage:
        return desk.version(model, version)

    @get("/api/v1/models/{model:str}/drift", sync_to_thread=True)
    def drift(model: str) -> wire.DriftAnswer:
        return desk.drift(model)

    @get("/api/v1/models/{model:str}/performance", sync_to_thread=True)
    def performance(model: str) -> wire.Performance:
        return desk.performance(model)

    @get("/api/v1/models/{model:str}/proof", sync_to_thread=True)
    def proof(model: str, generation: int) -> wire.Proof:
        return desk.proof(model, generation)

    @get("/api/v1/audit", sync_to_thread=True)
    def audit(limit: int = 50, verify: bool = False) -> wire.AuditAnswer:  # noqa: FBT001, FBT002
        return desk.audit(max(1, min(limit, 10_000)), verify=verify)

    @post("/api/v1/models/{model:str}/promote", status_code=200, sync_to_thread=True)
    def promote(request: Req, model: str, data: JSONBody[wire.Change]) -> wire.ChangeAnswer:
        return desk.promote(model, _operator(request), data)

    @post("/api/v1/models/{model:str}/rollback", status_code=200, sync_to_thread=True)
    def rollback(request: Req, model: str, data: JSONBody[wire.Change]) -> wire.ChangeAnswer:
        return desk.rollback(model, _operator(request), data)

    @post("/api/v1/models/{model:str}/undo", status_code=200, sync_to_thread=True)
    def undo(request: Req, model: str, data: JSONBody[wire.Change]) -> wire.ChangeAnswer:
        return desk.undo(model, _operator(request), data)

    @post("/api/v1/models/{model:str}/hold", status_code=200, sync_to_thread=True)
    def hold(request: Req, model: str, data: JSONBody[wire.LockRequest]) -> wire.LockAnswer:
        return desk.hold(model, _operator(request), data)

    @post("/api/v1/models/{model:str}/resume", status_code=200, sync_to_thread=True)
    def resume(request: Req, model: str, data: JSONBody[wire.LockRequest]) -> wire.LockAnswer:
        return desk.resume(model, _operator(request), data)

    @post("/api/v1/models/{model:str}/train", status_code=200, sync_to_thread=True)
    def train(request: Req, model: str, data: JSONBody[wire.RunRequest]) -> wire.JobRow:
        return desk.submit(model, "train", _operator(request), data)

    @post("/api/v1/models/{model:str}/monitor", status_code=200, sync_to_thread=True)
    def monitor(request: Req, model: str, data: JSONBody[wire.RunRequest]) -> wire.JobRow:
        return desk.submit(model, "monitor", _operator(request), data)

    @post("/api/v1/models/{model:str}/ingest", status_code=200)
    async def ingest(request: Req, model: str, name: str) -> wire.UploadAnswer:
        _operator(request)
        return await desk.upload(model, name, request.stream(), desk.take_file)

    @post("/api/v1/models/{model:str}/labels", status_code=200)
    async def labels(request: Req, model: str, name: str) -> wire.UploadAnswer:
        _operator(request)
        return await desk.upload(model, name, request.stream(), desk.take_labels)

    @post("/api/v1/reload", status_code=200, sync_to_thread=True)
    def reload(request: Req) -> dict[str, str]:
        return desk.reload(_operator(request))

    @post("/api/v1/stop", status_code=200, sync_to_thread=True)
    def stop(request: Req) -> dict[str, str]:
        return desk.stop(_operator(request))

    @post("/api/v1/clock", status_code=200, sync_to_thread=True)
    def clock(request: Req, data: JSONBody[wire.ClockRequest]) -> wire.ClockAnswer:
        _operator(request)
        return desk.move_clock(data)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        hub.bind()
        yield

    handlers = [state, status, events, recent, jobs, job, versions, version, drift, performance]
    handlers += [proof, audit, promote, rollback, undo, hold, resume, train, monitor, ingest]
    return Litestar(
        [*handlers, labels, reload, stop, clock],
        lifespan=[lifespan],
        exception_handlers={CdmlError: _ours, HTTPException: _theirs, Exception: _surprise},
        openapi_config=OpenAPIConfig("cdml control", "1", path="/api/v1", render_plugins=[]),
        request_max_body_size=MAX_UPLOAD,
        logging_config=None,
    )


def _operator(request: Req) -> Any:
    """Return who asks for a change; RefusedError where the socket proves only a viewer."""
    peer = request.scope["state"]
    actor = actor_of(peer)
    if role_of(peer) == "viewer":
        raise RefusedError(
            f"Changing something as {actor.name}: this user may only look. Ask to be added to the "
            "group cdml-operate.",
            code="forbidden",
        )
    return actor


def _body(status: int, code: str, message: str, field: str | None) -> Response[bytes]:
    content = msgspec.json.encode(wire.ErrorAnswer(wire.ErrorBody(code, message, field)))
    return Response(content, status_code=status, media_type=MediaType.JSON)


def _ours(_: Req, error: CdmlError) -> Response[bytes]:
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    if error.code == "forbidden":
        status = 403
    return _body(status, error.code, error.message, error.field)


def _theirs(request: Req, error: HTTPException) -> Response[bytes]:
    text = f"Asking {request.method} {request.url.path}: {error.detail}. See /api/v1/openapi.json."
    return _body(error.status_code, f"http_{error.status_code}", text[:500], None)


def _surprise(request: Req, error: Exception) -> Response[bytes]:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    text = (
        f"Asking {request.method} {request.url.path}: the engine met something unforeseen "
        f"({type(error).__name__}). It is in logs/engine.log; nothing half-done was kept."
    )
    return _body(500, "unforeseen", text, None)
