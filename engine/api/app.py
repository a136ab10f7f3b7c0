"""The control API put together: routes, errors to status codes, the OpenAPI document."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import msgspec
from litestar import Litestar, MediaType, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from engine import wire
from engine.api import bodies, changing, looking, outward
from engine.api.desk import Desk
from engine.api.outward import Outward
from engine.api.peer import Req
from engine.api.roles import Role, allowed
from engine.api.stream import Hub
from engine.clock import SystemClock
from engine.errors import (
    CdmlError,
    ConflictError,
    CorruptError,
    InvalidError,
    RefusedError,
    UnavailableError,
    UnknownError,
)
from engine.telemetry.stalls import Stalls, watch

STATUS: tuple[tuple[type[CdmlError], int], ...] = (
    (UnknownError, 404),
    (InvalidError, 422),
    (ConflictError, 409),
    (RefusedError, 409),
    (UnavailableError, 503),
    (CorruptError, 500),
)
MOST_SAID = 1000
log = logging.getLogger("cdml.api")


def application(desk: Desk, hub: Hub, out: Outward, stalls: Stalls) -> Litestar:
    """Return the ASGI application over a desk and the ways out."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        hub.bind()
        watching = asyncio.create_task(watch(SystemClock(), partial(stalls.late, "control")))
        yield
        watching.cancel()

    return Litestar(
        [
            *looking.ROUTES,
            *outward.ROUTES,
            *_asking("operator", [*changing.ROUTES, *outward.CHANGING]),
            *_asking("admin", changing.ADMIN),
        ],
        guards=[allowed],
        lifespan=[lifespan],
        state=State({"desk": desk, "hub": hub, "outward": out}),
        exception_handlers={
            CdmlError: _ours,
            HTTPException: _theirs,
            OverflowError: _endless,
            Exception: _surprise,
        },
        openapi_config=OpenAPIConfig(
            "cdml control",
            "1",
            path="/api/v1/openapi.json",
            render_plugins=[JsonRenderPlugin(path="/")],
        ),
        before_request=bodies.checked,
        request_max_body_size=wire.MAX_BODY,
        logging_config=None,
    )


def _asking(role: Role, routes: Sequence[HTTPRouteHandler]) -> Sequence[HTTPRouteHandler]:
    """Have routes ask for a role; all else is the description of the routes, for who may look."""
    for route in routes:
        route.opt["role"] = role
    return routes


def _body(status: int, code: str, message: str, field: str | None) -> Response[bytes]:
    content = msgspec.json.encode(wire.ErrorAnswer(wire.ErrorBody(code, message, field)))
    return Response(content, status_code=status, media_type=MediaType.JSON)


def _ours(_: Req, error: CdmlError) -> Response[bytes]:
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    status = {"forbidden": 403, "malformed_json": 400}.get(error.code, status)
    return _body(status, error.code, _bounded(error.message), error.field)


def _endless(request: Req, _: OverflowError) -> Response[bytes]:
    text = f"Asking {_asked(request)}: a number in it is larger than any is."
    return _body(404, "number_too_large", text, None)


def _bounded(message: str) -> str:
    """Return a message, a long one without its middle: what was sent stands there, advice last."""
    return message if len(message) < MOST_SAID else f"{message[:600]} ... {message[-300:]}"


def _asked(request: Req) -> str:
    # Not request.url, which is put together with whatever the client calls the host.
    return f"{request.method} {request.scope['path'][:200]}"


def _theirs(request: Req, error: HTTPException) -> Response[bytes]:
    text = f"Asking {_asked(request)}: {error.detail}. See /api/v1/openapi.json."
    return _body(error.status_code, f"http_{error.status_code}", text[:500], None)


def _surprise(request: Req, error: Exception) -> Response[bytes]:
    log.error("%s failed", _asked(request), exc_info=error)
    text = (
        f"Asking {_asked(request)}: the engine met something unforeseen "
        f"({type(error).__name__}). It is in logs/engine.log; nothing half-done was kept."
    )
    return _body(500, "unforeseen", text, None)
