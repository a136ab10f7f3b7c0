"""Both ends of run/serving.sock: one question and one answer per connection, msgpack with a length.

Light to import: the engine uses `ServingLink` and never loads the serving process's rooms.
"""

import asyncio
import contextlib
import logging
import os
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from engine.errors import (
    CdmlError,
    ConflictError,
    CorruptError,
    InvalidError,
    RefusedError,
    UnavailableError,
    UnknownError,
)
from engine.serving.credentials import is_ours

LENGTH = struct.Struct("<I")
MAX_MESSAGE = 32 * 2**20
MAX_PATH = 100
IDLE_S = 30.0

T = TypeVar("T")


# ---------------------------------------------------------------- questions


class Sync(msgspec.Struct, frozen=True, tag="sync"):
    """Read the ledger and make it so; with a model, wait for the loads of that one only."""

    model: str | None = None


class AskStatus(msgspec.Struct, frozen=True, tag="status"):
    """Tell all about yourself."""


class Probe(msgspec.Struct, frozen=True, tag="probe"):
    """Answer rows by one version, loading it for this alone if need be; nothing is logged."""

    model: str
    version: str
    rows: list[dict[str, Any]]


class Flush(msgspec.Struct, frozen=True, tag="flush"):
    """Finish shadow rows, then write and fdatasync everything."""


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Drain and end."""


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Show that your event loop runs."""


class Open(msgspec.Struct, frozen=True, tag="open"):
    """Begin to take connections; asked of a worker that is in step with the ledger."""


Question = Sync | AskStatus | Probe | Flush | Stop | Ping | Open


# ---------------------------------------------------------------- answers


class Synced(msgspec.Struct, frozen=True):
    """Generations in force; no answer routed by an older one follows. `failures` by "model/v"."""

    generations: dict[str, int]
    failures: dict[str, str]


class VersionLatency(msgspec.Struct, frozen=True):
    """Latency of the last answers by one version."""

    p50_ms: float
    p95_ms: float
    n: int


class ServedModel(msgspec.Struct, frozen=True):
    """One model as it is served.

    `answers` and `errors` count rows by version since this generation began, `refused` those of
    requests that the champion's contract refused, `spared` how many of these another version in
    memory would have taken.
    """

    model: str
    generation: int
    champion: str | None
    canary: str | None
    shadow: str | None
    loaded: list[str]
    failures: dict[str, str]
    answers: dict[str, int]
    latency: dict[str, VersionLatency]
    memory: dict[str, int]
    errors: dict[str, int] = {}
    refused: dict[str, int] = {}
    spared: dict[str, int] = {}


class WorkerStatus(msgspec.Struct, frozen=True):
    """One process that answers predictions."""

    pid: int
    started: str
    rss_bytes: int
    requests: int
    generations: dict[str, int]


class ServingStatus(msgspec.Struct, frozen=True):
    """The serving process: itself, its counts since it began, its log, its models.

    With several workers it is their keeper, and the counts are those of its workers together.
    """

    pid: int
    boot: str
    started: str
    listen: str
    rss_bytes: int
    requests: int
    failed: int
    dropped: int
    shadow_dropped: int
    sync_failures: int
    spool_bytes: int
    spool_segment: str
    spool_offset: int
    requests_per_s: float
    models: list[ServedModel]
    workers: list[WorkerStatus]


class Probed(msgspec.Struct, frozen=True):
    """Answers of a probe, whether the version was in memory, and what it took."""

    answers: list[list[float]]
    in_memory: bool
    load_ms: float
    predict_ms: float


class Flushed(msgspec.Struct, frozen=True):
    """Everything answered before is on the disk, up to here."""

    segment: str
    offset: int


class Stopping(msgspec.Struct, frozen=True):
    """The process drains and ends."""

    pid: int


class Here(msgspec.Struct, frozen=True):
    """The process is there."""

    pid: int


class Failure(msgspec.Struct, frozen=True):
    """An error in place of an answer."""

    family: str
    message: str
    code: str
    field: str | None


class Envelope(msgspec.Struct, frozen=True):
    """What comes back: an answer, or why there is none."""

    answer: msgspec.Raw = msgspec.Raw(b"\xc0")
    failure: Failure | None = None


_FAMILIES: dict[str, type[CdmlError]] = {
    kind.__name__: kind
    for kind in (
        ConflictError,
        RefusedError,
        UnknownError,
        InvalidError,
        UnavailableError,
        CorruptError,
    )
}


# ---------------------------------------------------------------- the asking end


class ServingLink:
    """Asks the serving process; usable from any thread, connects anew for each question."""

    def __init__(self, socket_path: Path, timeout_s: float = 5.0) -> None:
        self._path = socket_path
        self._timeout_s = timeout_s

    def sync(self, model: str | None = None, timeout_s: float | None = None) -> Synced:
        """Have the ledger obeyed; returns when it is, for one model or for all."""
        return self._ask(Sync(model), Synced, timeout_s)

    def status(self, timeout_s: float | None = None) -> ServingStatus:
        """Return what the process says of itself."""
        return self._ask(AskStatus(), ServingStatus, timeout_s)

    def probe(
        self, model: str, version: str, rows: list[dict[str, Any]], timeout_s: float | None = None
    ) -> Probed:
        """Return the answers of one version to rows."""
        return self._ask(Probe(model, version, rows), Probed, timeout_s)

    def flush(self, timeout_s: float | None = None) -> Flushed:
        """Return when every record of answers given so far is on the disk."""
        return self._ask(Flush(), Flushed, timeout_s)

    def stop(self, timeout_s: float | None = None) -> Stopping:
        """Have the process drain and end."""
        return self._ask(Stop(), Stopping, timeout_s)

    def _ask(self, question: Question, kind: type[T], timeout_s: float | None) -> T:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
                link.settimeout(self._timeout_s if timeout_s is None else timeout_s)
                with short_path(self._path) as path:
                    link.connect(path)
                link.sendall(_message(question))
                (length,) = LENGTH.unpack(_receive(link, LENGTH.size))
                content = _receive(link, length)
        except OSError as e:
            raise _unreachable(question, self._path, e) from e
        return _understood(question, content, kind)


async def ask(path: Path, question: Question, kind: type[T]) -> T:
    """Ask as ServingLink does, from an event loop; wait for as long as the other end lives."""
    try:
        with short_path(path) as address:
            reader, writer = await asyncio.open_unix_connection(address)
        try:
            writer.write(_message(question))
            (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
            content = await reader.readexactly(length)
        finally:
            writer.close()
    except (OSError, EOFError) as e:
        raise _unreachable(question, path, e) from e
    return _understood(question, content, kind)


def _message(question: Question) -> bytes:
    content = msgspec.msgpack.encode(question)
    return LENGTH.pack(len(content)) + content


def _unreachable(question: Question, path: Path, found: Exception) -> UnavailableError:
    return UnavailableError(
        f'Asking the serving process for "{question.__struct_config__.tag}" over "{path}": '
        f"{found}. Start it with cdml up.",
        code="serving_unreachable",
    )


def _understood(question: Question, content: bytes, kind: type[T]) -> T:
    """Return the answer in a reply, or raise the error in it."""
    try:
        envelope = msgspec.msgpack.decode(content, type=Envelope)
        if envelope.failure is None:
            return msgspec.msgpack.decode(envelope.answer, type=kind)
    except msgspec.MsgspecError as e:
        raise UnavailableError(
            f'Asking the serving process for "{question.__struct_config__.tag}": its answer is '
            f"not one of this version ({e}). Restart it with cdml down and cdml up.",
            code="serving_speaks_otherwise",
        ) from e
    failed = envelope.failure
    family = _FAMILIES.get(failed.family, CdmlError)
    raise family(failed.message, code=failed.code, field=failed.field)


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[str]:
    """Give a path that fits into a Unix address (108 bytes), by way of an open folder."""
    if len(os.fsencode(path)) <= MAX_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _receive(link: socket.socket, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        part = link.recv(min(size - len(content), 2**20))
        if not part:
            raise ConnectionResetError("it closed the connection without an answer")
        content += part
    return bytes(content)


# ---------------------------------------------------------------- the answering end


class Controls(Protocol):
    """What the serving process does when asked."""

    async def obey(self, question: Question) -> msgspec.Struct:
        """Return the answer; a CdmlError goes back as such."""


def bind(path: Path) -> socket.socket:
    """Take the socket's path, from a dead process but never from a living one."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with short_path(path) as address:
        if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
            raise UnavailableError(
                f'Opening the control socket "{path}": a file that is no socket is in its place. '
                "Remove it.",
                code="socket_taken",
            )
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
                probe.connect(address)
                raise UnavailableError(
                    f'Opening the control socket "{path}": a serving process answers there '
                    "already. Stop that one first.",
                    code="serving_running",
                )
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            listener.bind(address)
        finally:
            os.umask(before)
    listener.listen(64)
    return listener


async def listen(listener: socket.socket, controls: Controls) -> asyncio.Server:
    """Answer questions on a bound socket."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not is_ours(writer.get_extra_info("socket")):
            writer.close()  # others ask the engine, which knows what they may
            return
        # Cancelled: the process ends, and whoever asked sees the connection close.
        gone = (OSError, EOFError, TimeoutError, asyncio.CancelledError)
        with contextlib.suppress(*gone):
            async with asyncio.timeout(IDLE_S):
                (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                content = await reader.readexactly(min(length, MAX_MESSAGE))
            reply = msgspec.msgpack.encode(await _answer(content, controls))
            writer.write(LENGTH.pack(len(reply)) + reply)
            await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(connected, sock=listener)


async def _answer(content: bytes, controls: Controls) -> Envelope:
    try:
        question: Question = msgspec.msgpack.decode(content, type=Question)
        answer = await controls.obey(question)
        return Envelope(answer=msgspec.Raw(msgspec.msgpack.encode(answer)))
    except msgspec.MsgspecError as e:
        text = f"Reading a question on the control socket: {e}. Ask as ServingLink does."
        return Envelope(failure=Failure("InvalidError", text, "bad_question", None))
    except CdmlError as e:
        family = next((c.__name__ for c in type(e).__mro__ if c.__name__ in _FAMILIES), "CdmlError")
        return Envelope(failure=Failure(family, e.message, e.code, e.field))
    except Exception as e:  # the request edge
        logging.getLogger("cdml.serving").exception("answering on the control socket")
        text = f"Answering on the control socket: {e!r:.200}. It was logged."
        return Envelope(failure=Failure("CorruptError", text, "internal", None))
