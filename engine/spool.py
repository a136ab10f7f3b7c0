"""The prediction and label log: append-only segments, both ends of their format.

A record is length u32, CRC-32 u32 (of sequence and payload), sequence u64, all little endian, then
a msgpack payload. The writer holds a lock (flock) on its segment; one without is sealed.
"""

import fcntl
import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from threading import Condition, Thread
from typing import NamedTuple

import msgspec

from engine.durable import sync_folder
from engine.errors import CorruptError
from engine.wire import Label, Scalar

HEADER = struct.Struct("<IIQ")
_SEQUENCE = struct.Struct("<Q")
_NAME = re.compile(r"^([0-9a-z]{1,32})-(\d{8})\.seg$")
# Lengths below 2**24 and sequences below 2**40: what a header must look like to be one.
_LIKELY = re.compile(rb"(?s)(?=...\x00.{4}.{5}\x00\x00\x00)")

SEGMENT_BYTES = 16 * 2**20
MAX_RECORD = 2**24 - 1
GROUP_S = 0.03


# ---------------------------------------------------------------- payloads


class PredictionRecord(msgspec.Struct, frozen=True, tag="prediction"):
    """What one version answered of one request: every list has an entry a row.

    `answers` has [score], a probability per class, or [value]; `flags` only the rows that have any.
    """

    model: str
    received: str
    client: str
    generation: int
    version: str
    role: str
    latency_ms: float
    prediction_ids: list[str]
    ids: list[str | None]
    times: list[str]
    features: dict[str, list[Scalar]]
    answers: list[list[float]]
    decisions: list[bool | str | None]
    flags: dict[int, list[str]]


class ShadowRecord(msgspec.Struct, frozen=True, tag="shadow"):
    """What a shadow would have answered to rows that others answered before."""

    model: str
    received: str
    version: str
    prediction_ids: list[str]
    answers: list[list[float]]


class LabelRecord(msgspec.Struct, frozen=True, tag="label"):
    """Labels of one request, as they were sent; `source` is the client's name for itself."""

    model: str
    received: str
    labels: list[Label]
    source: str = ""


SpoolRecord = PredictionRecord | ShadowRecord | LabelRecord

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SpoolRecord)


def encode(record: SpoolRecord) -> bytes:
    """Write a record as the payload that `Spool.append` takes."""
    return _encoder.encode(record)


def decode(payload: bytes) -> SpoolRecord:
    """Read a payload back; CorruptError where it is none of ours."""
    try:
        record: SpoolRecord = _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as e:
        raise CorruptError(
            f"Reading a spool record of {len(payload)} bytes: its checksum is right but it is not "
            f"a record of this version ({e}). Keep the segment and load it with the cdml that "
            "wrote it.",
            code="spool_record",
        ) from e
    return record


def framed(sequence: int, payload: bytes) -> bytes:
    """Return a record as it stands in a segment."""
    number = _SEQUENCE.pack(sequence)
    checksum = zlib.crc32(payload, zlib.crc32(number))
    return HEADER.pack(len(payload), checksum, sequence) + payload


# ---------------------------------------------------------------- the writing end


class _Segment:
    """An open segment; `synced` is how far fdatasync went, `broken` that it failed once."""

    __slots__ = ("broken", "fd", "name", "size", "synced")

    def __init__(self, fd: int, name: str) -> None:
        self.fd = fd
        self.name = name
        self.size = 0
        self.synced = 0
        self.broken = False


class Spool:
    """The one writer of a boot. No method raises on I/O errors: records are refused and counted."""

    def __init__(
        self,
        folder: Path,
        boot: str,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        group_s: float = GROUP_S,
    ) -> None:
        self._folder = folder
        self._boot = boot
        self._segment_bytes = segment_bytes
        self._group_s = group_s
        self._number = last_number(folder)
        self._sequence = 0
        self._current: _Segment | None = None
        self._rotated: list[_Segment] = []
        self._dirty = self._urgent = self._closing = False
        self._changed = Condition()
        self.dropped = 0
        self.sync_failures = 0
        with self._changed:
            self._ready_segment()
        self._syncer = Thread(target=self._sync_loop, name="spool-sync", daemon=True)
        self._syncer.start()

    def append(self, payload: bytes) -> bool:
        """Hand a record to the kernel; False where it was dropped (and counted)."""
        with self._changed:
            return self._write(payload) is not None

    def append_durable(self, payload: bytes, timeout_s: float = 5.0) -> bool:
        """Append and return only after fdatasync; False where that was not confirmed."""
        with self._changed:
            segment = self._write(payload)
            return segment is not None and self._wait_durable(segment, segment.size, timeout_s)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Return when all that was appended is on the disk; False where that failed."""
        with self._changed:
            segments = [s for s in (*self._rotated, self._current) if s is not None]
            # The first wait already has the syncer cover all of them.
            return all(self._wait_durable(s, s.size, timeout_s) for s in segments)

    def position(self) -> tuple[str, int]:
        """Return the segment being written and its end; an empty name where there is none."""
        with self._changed:
            current = self._current
            return (current.name, current.size) if current else ("", 0)

    def close(self) -> None:
        """Sync everything and seal the segment."""
        with self._changed:
            self._closing = True
            self._rotate()
            self._changed.notify_all()
        self._syncer.join()

    def _write(self, payload: bytes) -> _Segment | None:
        segment = None if len(payload) > MAX_RECORD else self._ready_segment()
        if segment is None:
            self.dropped += 1
            return None
        record = framed(self._sequence + 1, payload)
        try:
            written = os.write(segment.fd, record)
        except OSError:
            written = 0
        if written != len(record):
            self._repair(segment)
            self.dropped += 1
            return None
        self._sequence += 1
        segment.size += written
        if not self._dirty:
            self._dirty = True
            self._changed.notify_all()
        return segment

    def _repair(self, segment: _Segment) -> None:
        """Cut a torn record off; where even that fails the segment ends here."""
        try:
            os.ftruncate(segment.fd, segment.size)
        except OSError:
            self._rotate()

    def _ready_segment(self) -> _Segment | None:
        current = self._current
        if current is not None and (current.broken or current.size >= self._segment_bytes):
            self._rotate()
        if self._current is None and not self._closing:
            self._current = self._open_next()
        return self._current

    def _open_next(self) -> _Segment | None:
        """Make a segment; it is locked before it gets the name that readers look for."""
        name = f"{self._boot}-{self._number + 1:08d}.seg"
        part = self._folder / f"{name}.new"
        fd = -1
        try:
            fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o640)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.rename(self._folder / name)
            sync_folder(self._folder)
        except OSError:
            if fd >= 0:
                os.close(fd)
            return None
        self._number += 1
        return _Segment(fd, name)

    def _rotate(self) -> None:
        if self._current is not None:
            self._rotated.append(self._current)
            self._current = None
            self._dirty = True

    def _wait_durable(self, segment: _Segment, end: int, timeout_s: float) -> bool:
        if segment.synced < end:
            self._urgent = self._dirty = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: segment.synced >= end or segment.broken, timeout_s)
        return segment.synced >= end

    def _sync_loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._dirty or self._closing)
                if not self._urgent and not self._closing:
                    self._changed.wait_for(lambda: self._urgent or self._closing, self._group_s)
                self._dirty = self._urgent = False
                done = list(self._rotated)
                wanted = [(s, s.size) for s in (*done, self._current) if s is not None]
            for segment, size in wanted:
                self._sync(segment, size)
            with self._changed:
                for segment in done:
                    self._rotated.remove(segment)
                    os.close(segment.fd)
                self._changed.notify_all()
                if self._closing and not self._rotated and self._current is None:
                    return

    def _sync(self, segment: _Segment, size: int) -> None:
        """After one failed fdatasync nothing on that segment is acknowledged again."""
        if segment.synced >= size or segment.broken:
            return
        try:
            os.fdatasync(segment.fd)
            segment.synced = size
        except OSError:
            segment.broken = True
            self.sync_failures += 1


# ---------------------------------------------------------------- the reading end


class Record(NamedTuple):
    """One record, and the offset right after it."""

    after: int
    sequence: int
    payload: bytes


class Segment(NamedTuple):
    """A segment file; nothing more is ever written to a sealed one."""

    path: Path
    sealed: bool
    size: int


class SpoolDamageError(CorruptError):
    """Bytes of a segment that are no record; reading goes on at `resume`."""

    def __init__(self, path: Path, offset: int, resume: int) -> None:
        super().__init__(
            f'Reading spool segment "{path.name}" at byte {offset}: {resume - offset} bytes are '
            "not a whole record and were skipped. The file is left as it is for inspection.",
            code="spool_damaged",
            field=path.name,
        )
        self.segment = path.name
        self.offset = offset
        self.resume = resume
        self.skipped = resume - offset


def segments(folder: Path) -> list[Segment]:
    """Return the segments in the order of writing. Never delete the last: it holds the count.

    Those that did not come by the writer share the number of its newest, and stand before it.
    """
    found = [(m.group(2), m.group(0)) for p in folder.iterdir() if (m := _NAME.match(p.name))]
    paths = [folder / name for _, name in sorted(found)]
    return [Segment(p, _sealed(p), p.stat().st_size) for p in paths]


def folder_bytes(folder: Path) -> int:
    """Return the size of all segments together."""
    return sum(p.stat().st_size for p in folder.iterdir() if _NAME.match(p.name))


def last_number(folder: Path) -> int:
    """Return the highest segment number in the folder, 0 where there is none."""
    return max((number_of(p.name) for p in folder.iterdir()), default=0)


def number_of(name: str) -> int:
    """Return the number in a segment's name, 0 where it is none."""
    found = _NAME.match(name)
    return int(found.group(2)) if found else 0


def read(path: Path, offset: int = 0, *, sealed: bool = False) -> Iterator[Record]:
    """Yield the whole records from `offset` on; an unfinished one at the end is left for later.

    SpoolDamageError for bytes that are no record, and in a sealed segment for an unfinished end:
    call again with its `resume` to go on.
    """
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read()
    at = 0
    while at < len(content):
        end = _end_of_record(content, at)
        if end is None and not sealed:
            return
        if not end:
            raise SpoolDamageError(path, offset + at, offset + _next_record(content, at + 1))
        sequence = HEADER.unpack_from(content, at)[2]
        yield Record(offset + end, sequence, content[at + HEADER.size : end])
        at = end


def _end_of_record(content: bytes, at: int) -> int | None:
    """Return where the record at `at` ends, None where it is unfinished, 0 where it is none."""
    if len(content) - at < HEADER.size:
        return None
    length, checksum, _ = HEADER.unpack_from(content, at)
    end: int = at + HEADER.size + length
    if not 0 < length <= MAX_RECORD:
        return 0
    if end > len(content):
        return None
    return end if zlib.crc32(memoryview(content)[at + 8 : end]) == checksum else 0


def _next_record(content: bytes, at: int) -> int:
    """Find the next whole record, or the end of the content."""
    stop = len(content.rstrip(b"\x00"))
    for candidate in _LIKELY.finditer(content, at, min(stop + HEADER.size, len(content))):
        if _end_of_record(content, candidate.start()):
            return candidate.start()
    return len(content)


def _sealed(path: Path) -> bool:
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True
