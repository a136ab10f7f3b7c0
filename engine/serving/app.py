"""The prediction port as a plain ASGI application: paths, limits and the table of errors."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from engine.clock import Clock
from engine.errors import (
    CdmlError,
    CorruptError,
    InvalidError,
    RefusedError,
    UnavailableError,
    UnknownError,
)
from engine.serving.answers import Answerer
from engine.serving.answers import Reply as Answers
from engine.serving.bodies import read_labels
from engine.serving.callers import Callers
from engine.serving.connection import error_body
from engine.serving.heads import MAX_CLIENT_ID, REQUEST, header, route_of, told_of
from engine.serving.http_faults import (
    HttpError,
    Message,
    check_announced,
    from_a_page,
    no_such_path,
    require,
    too_large,
)
from engine.serving.open_inference import infer_answer, metadata, read_infer
from engine.serving.openapi import document
from engine.serving.predict import predict_answer, read_predict
from engine.serving.tally import Tally
from engine.telemetry.prometheus import CONTENT_TYPE, ServingMetrics
from engine.wire import MAX_BODY

if TYPE_CHECKING:
    from engine.telemetry.tracer import Tracer

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_IN_FLIGHT = 64
MAX_HELD = 64 * 2**20
BODY_DEADLINE_S = 10.0
STATUS = [
    (UnknownError, 404),
    (InvalidError, 422),
    (RefusedError, 409),
    (UnavailableError, 503),
    (CorruptError, 500),
]
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent back."""

    status: int
    body: bytes
    kind: bytes = b"application/json"
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


class App:
    """Answers HTTP. Everything that controls anything is 404 here."""

    def __init__(
        self,
        answerer: Answerer,
        callers: Callers,
        tally: Tally,
        metrics: ServingMetrics,
        clock: Clock,
        version: str,
        tracer: "Tracer | None" = None,
    ) -> None:
        self._answerer = answerer
        self._callers = callers
        self._tally = tally
        self._metrics = metrics
        self._clock = clock
        self._version = version
        self._tracer = tracer
        self._document = document(version)
        self._busy = 0
        self._held = 0
        self._posts = {"predict": self._predict, "labels": self._labels}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        now = self._clock.monotonic()
        self._tally.request(now)
        path = scope["path"].split("/")[1:]
        if self._tracer is None or scope["method"] != "POST":
            reply = await self._guarded(path, scope, receive, now)
        else:
            reply = await self._traced(self._tracer, path, scope, receive, now)
        headers = [
            (b"content-type", reply.kind),
            (b"content-length", b"%d" % len(reply.body)),
            *reply.headers,
        ]
        # Whoever names a request finds it by that name in answers, logs and traces.
        if request := header(scope, REQUEST):
            headers.append((REQUEST, request))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _traced(
        self, tracer: "Tracer", path: list[str], scope: Message, receive: Receive, now: float
    ) -> Reply:
        asked = tracer.began(scope["headers"])
        reply = await self._guarded(path, scope, receive, now)
        if asked is not None:
            route = route_of(path)
            about = told_of(scope, route, reply.status)
            tracer.ended(asked, f"POST {route}".strip(), about)
        return reply

    async def _guarded(
        self, path: list[str], scope: Message, receive: Receive, now: float
    ) -> Reply:
        """Turn every error into a reply; what nobody foresaw is a 500, logged and counted."""
        try:
            headers = dict(scope["headers"])
            self._admit(path, scope, headers, now)
            return await self._answer(path, scope, receive, headers)
        except HttpError as e:
            reply = _refusal(path, e.status, e.code, str(e), None, e.headers)
        except CdmlError as e:
            status = next(code for family, code in STATUS if isinstance(e, family))
            status = 400 if e.code == "malformed_json" else status
            reply = _refusal(path, status, e.code, e.message, e.field)
        except Exception:  # the request edge
            asked = header(scope, REQUEST).decode("latin-1")
            logging.getLogger("cdml.serving").exception(
                "answering %s %s", scope["method"], path[:3], extra={"request": asked}
            )
            text = "Answering the request: something failed here. It was logged; try again."
            reply = _refusal(path, 500, "internal", text, None)
        if path[:1] == ["v1"] or path[-1:] == ["infer"]:
            model = path[2] if len(path) > 2 and self._answerer.known(path[2]) else ""
            self._metrics.refused(model, reply.status)
            if reply.status >= 500:
                self._tally.failed += 1
        return reply

    def _admit(
        self, path: list[str], scope: Message, headers: dict[bytes, bytes], now: float
    ) -> None:
        """Raise HttpError for a page of a browser, without a known token, or asking too often."""
        callers = self._callers
        if callers.open and b"origin" in headers:
            raise from_a_page()
        if (callers.open and callers.buckets is None) or path[:2] == ["v2", "health"]:
            return
        name = "" if callers.open else callers.name(headers.get(b"authorization", b""))
        if name is None:
            raise HttpError(
                401,
                "no_token",
                "Answering the request: it has no token that is known here. Send the header "
                '"Authorization: Bearer TOKEN"; cdml token new NAME makes one.',
                [(b"www-authenticate", b"Bearer")],
            )
        client = name or _client_id(headers) or str((scope.get("client") or ("",))[0])
        wait = callers.buckets.take(client, now) if callers.buckets else 0
        if wait:
            raise HttpError(
                429,
                "too_often",
                f'Answering "{client[:80]}": it asks more than the {callers.rate:g} times a second '
                f"that one client may. Try again in {wait} s.",
                [(b"retry-after", b"%d" % wait)],
            )

    async def _answer(
        self,
        path: list[str],
        scope: Message,
        receive: Receive,
        headers: dict[bytes, bytes],
    ) -> Reply:
        match path:
            case ["v1", "models", model, ("predict" | "labels") as verb]:
                return await self._post(model, self._posts[verb], scope, receive, headers)
            case ["v2", "models", model, "infer"]:
                return await self._post(model, self._infer, scope, receive, headers)
            case ["v2", *rest]:
                return self._described(rest, scope)
            case ["metrics"]:
                require(scope, "GET")
                return Reply(200, self._metrics.text(), CONTENT_TYPE.encode())
            case ["openapi.json"]:
                require(scope, "GET")
                return Reply(200, self._document)
        raise no_such_path()

    def _described(self, path: list[str], scope: Message) -> Reply:
        """Answer the reading half of the Open Inference Protocol."""
        match path:
            case [] | ["health", "live" | "ready"] | ["models", _] | ["models", _, "ready"]:
                require(scope, "GET")
        match path:
            case []:
                found = {"name": "cdml", "version": self._version, "extensions": []}
                return Reply(200, _encode(found))
            case ["health", "live"]:
                return Reply(200, b'{"live":true}')
            case ["health", "ready"]:
                return _readiness(all(self._ready(m) for m in self._answerer.names()))
            case ["models", model]:
                return Reply(200, _encode(metadata(self._answerer.slot(model))))
            case ["models", model, "ready"]:
                if not self._answerer.known(model):
                    self._answerer.slot(model)
                return _readiness(self._ready(model), model)
        raise no_such_path()

    def _ready(self, model: str) -> bool:
        try:
            self._answerer.slot(model)
        except UnavailableError:
            return False
        return True

    async def _post(
        self,
        model: str,
        answer: Callable[[str, bytes, str], Awaitable[bytes]],
        scope: Message,
        receive: Receive,
        headers: dict[bytes, bytes],
    ) -> Reply:
        require(scope, "POST")
        body = await self._body(headers, receive)
        try:
            if self._busy >= MAX_IN_FLIGHT:
                raise self._overloaded()
            self._busy += 1
            try:
                return Reply(200, await answer(model, body, _client_id(headers)))
            finally:
                self._busy -= 1
        finally:
            self._held -= len(body)

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """Read at most MAX_BODY bytes within the deadline; they are held until answered."""
        check_announced(headers)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + BODY_DEADLINE_S
        message = await _next(receive)
        parts = [message.get("body", b"")]
        size = len(parts[0])
        self._held += size
        try:
            while message.get("more_body") and size <= MAX_BODY:
                if self._held > MAX_HELD:
                    raise self._overloaded()
                message = await _next(receive, deadline - loop.time())
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                self._held += len(parts[-1])
            if size > MAX_BODY:
                raise too_large()
        except BaseException:
            self._held -= size
            raise
        return b"".join(parts) if len(parts) > 1 else parts[0]

    def _overloaded(self) -> HttpError:
        return HttpError(
            503,
            "overloaded",
            f"Answering the request: {self._busy} others with {self._held} bytes are in flight, "
            "which is the most. Try again in a second.",
            [(b"retry-after", b"1"), (b"connection", b"close")],
        )

    async def _predict(self, model: str, body: bytes, client: str) -> bytes:
        self._answerer.slot(model)
        reply = await self._answerer.predict(model, read_predict(body), client)
        self._noted(reply)
        return _encode(predict_answer(reply))

    def _noted(self, reply: Answers) -> None:
        if self._tracer is not None:
            self._tracer.answered(
                (reply.model, part.arm.served.version, part.arm.role, len(part.prediction_ids),
                 part.prediction_ids[0])
                for part in reply.parts
            )  # fmt: skip

    async def _labels(self, model: str, body: bytes, client: str) -> bytes:
        if not self._answerer.known(model):
            self._answerer.slot(model)
        return _encode(await self._answerer.labels(model, read_labels(body), client))

    async def _infer(self, model: str, body: bytes, client: str) -> bytes:
        self._answerer.slot(model)
        request_id, asked = read_infer(body)
        reply = await self._answerer.predict(model, asked, client)
        self._noted(reply)
        return _encode(infer_answer(request_id, reply))


def _refusal(
    path: list[str],
    status: int,
    code: str,
    message: str,
    field: str | None,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> Reply:
    """Write an error in the dialect of its path: the Open Inference Protocol has one of its own."""
    if path[:1] == ["v2"]:
        named = field is None or field in message
        body = _encode({"error": message if named else f"{field}: {message}"})
    else:
        body = error_body(code, message, field)
    return Reply(status, body, headers=headers or [])


def _client_id(headers: dict[bytes, bytes]) -> str:
    return headers.get(b"x-client-id", b"")[:MAX_CLIENT_ID].decode("latin-1")


async def _next(receive: Receive, seconds: float = BODY_DEADLINE_S) -> Message:
    try:
        async with asyncio.timeout(seconds):
            message = await receive()
    except TimeoutError:
        raise HttpError(
            408,
            "slow_body",
            f"Reading the body: it did not arrive within {BODY_DEADLINE_S:.0f} s. Send it faster.",
            [(b"connection", b"close")],
        ) from None
    if message["type"] == "http.disconnect":
        raise HttpError(400, "hung_up", "Reading the body: the client hung up before its end.")
    return message


def _readiness(ready: bool, model: str | None = None) -> Reply:  # noqa: FBT001
    found: dict[str, Any] = {"ready": ready} if model is None else {"name": model, "ready": ready}
    return Reply(200 if ready else 503, _encode(found))
