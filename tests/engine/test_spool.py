"""The log keeps what it acknowledged, and its reader never drops a byte silently."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import CorruptError
from engine.spool import (
    HEADER,
    LabelRecord,
    PredictionRecord,
    Record,
    ShadowRecord,
    Spool,
    SpoolDamageError,
    decode,
    encode,
    last_number,
    read,
    segments,
)
from engine.wire import Label

PAYLOADS = [bytes([65 + n]) * (5 + 7 * n) for n in range(12)]


def everything(path: Path, *, sealed: bool = True) -> tuple[list[Record], list[SpoolDamageError]]:
    """Read a segment to its end, over damaged places."""
    records: list[Record] = []
    damages: list[SpoolDamageError] = []
    offset = 0
    while True:
        try:
            for record in read(path, offset, sealed=sealed):
                records.append(record)
                offset = record.after
        except SpoolDamageError as e:
            damages.append(e)
            offset = e.resume
        else:
            return records, damages


def written(folder: Path, payloads: list[bytes] = PAYLOADS) -> Path:
    """Write one sealed segment."""
    spool = Spool(folder, "b1")
    assert all(spool.append(p) for p in payloads)
    spool.close()
    return segments(folder)[0].path


def test_what_was_appended_is_read_back_in_order(tmp_path: Path) -> None:
    records, damages = everything(written(tmp_path))
    assert [r.payload for r in records] == PAYLOADS
    assert [r.sequence for r in records] == list(range(1, 13))
    assert damages == []


def test_a_record_is_in_the_file_before_append_returns(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "b1")
    spool.append(b"first")
    name, end = spool.position()
    assert [r.payload for r in read(tmp_path / name)] == [b"first"]
    spool.append(b"second")
    assert [r.payload for r in read(tmp_path / name, end)] == [b"second"]
    assert [s.sealed for s in segments(tmp_path)] == [False]
    spool.close()
    assert [s.sealed for s in segments(tmp_path)] == [True]


def test_segments_rotate_and_keep_their_order_over_restarts(tmp_path: Path) -> None:
    for boot in ("zz", "aa"):
        spool = Spool(tmp_path, boot, segment_bytes=200)
        for n in range(20):
            assert spool.append(b"%s-%d" % (boot.encode(), n) * 5)
        spool.close()
    found = segments(tmp_path)
    assert len(found) > 5
    assert last_number(tmp_path) == len(found)
    payloads = [r.payload for s in found for r in read(s.path, sealed=s.sealed)]
    assert payloads == [b"%s-%d" % (b, n) * 5 for b in (b"zz", b"aa") for n in range(20)]


def test_a_closed_spool_refuses_and_counts(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "b1")
    spool.close()
    assert not spool.append(b"late")
    assert not spool.append_durable(b"late")
    assert spool.dropped == 2


def test_durable_appends_of_many_threads_are_all_there(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "b1", segment_bytes=2000)
    results: list[bool] = []

    def work(number: int) -> None:
        results.extend(spool.append_durable(b"%d-%d" % (number, n)) for n in range(50))

    threads = [Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert spool.flush()
    spool.close()
    found = {r.payload for s in segments(tmp_path) for r in read(s.path)}
    assert results == [True] * 200
    assert found == {b"%d-%d" % (number, n) for number in range(4) for n in range(50)}


@given(cut=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_a_cut_tail_keeps_every_whole_record(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = written(tmp_path_factory.mktemp("s"))
    content = path.read_bytes()
    size = cut % (len(content) + 1)
    path.write_bytes(content[:size])
    ends = [r.after for r in everything_of(content, path)]
    whole = [e for e in ends if e <= size]
    unsealed, none = everything(path, sealed=False)
    assert [r.after for r in unsealed] == whole
    assert none == []
    sealed, damages = everything(path)
    assert [r.after for r in sealed] == whole
    assert sum(d.skipped for d in damages) == size - (whole[-1] if whole else 0)


def everything_of(content: bytes, path: Path) -> list[Record]:
    """Read a segment's content as it was."""
    whole = path.with_name("whole")
    whole.write_bytes(content)
    return everything(whole)[0]


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=150, deadline=None)
def test_a_flipped_bit_costs_one_record_and_is_reported(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    path = written(tmp_path_factory.mktemp("s"))
    content = bytearray(path.read_bytes())
    ends = [r.after for r in everything(path)[0]]
    at = place % len(content)
    content[at] ^= 1 << bit
    path.write_bytes(bytes(content))
    hit = next(n for n, end in enumerate(ends) if at < end)
    records, damages = everything(path)
    assert [r.payload for r in records] == PAYLOADS[:hit] + PAYLOADS[hit + 1 :]
    assert [d.skipped for d in damages] == [HEADER.size + len(PAYLOADS[hit])]
    assert isinstance(damages[0], CorruptError)
    assert path.name in damages[0].message


def test_a_zero_filled_tail_is_reported_not_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + bytes(2_000_000))
    records, damages = everything(path)
    assert len(records) == len(PAYLOADS)
    assert [(d.offset, d.skipped) for d in damages] == [(size, 2_000_000)]


def test_after_a_failed_fdatasync_a_segment_acknowledges_nothing_more(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "b1")
    assert spool.append_durable(b"kept")
    first, _ = spool.position()
    assert spool._current is not None
    out, into = os.pipe()
    os.dup2(into, spool._current.fd)  # takes writes, and refuses fdatasync with EINVAL
    assert not spool.append_durable(b"unsure")
    assert spool.sync_failures == 1
    assert spool.append_durable(b"next")
    assert spool.position()[0] != first
    spool.close()
    for fd in (out, into):
        os.close(fd)
    assert [r.payload for s in segments(tmp_path) for r in read(s.path)] == [b"kept", b"next"]


FULL = """
import resource, sys
from pathlib import Path
from engine.spool import Spool
folder = Path(sys.argv[1])
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
spool = Spool(folder, "b1")
kept = [n for n in range(40) if spool.append(b"%04d" % n * 100)]
assert spool.dropped == 40 - len(kept) > 0, spool.dropped
assert not spool.append_durable(b"x" * 5000)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
kept += [n for n in range(40, 50) if spool.append(b"%04d" % n * 100)]
assert kept[-10:] == list(range(40, 50)), kept
assert spool.flush()
spool.close()
print(*kept)
"""


def test_a_full_disk_drops_and_counts_and_heals_without_a_restart(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    kept = [int(n) for n in done.stdout.split()]
    records, damages = [], []
    for segment in segments(tmp_path):
        more, bad = everything(segment.path)
        records += more
        damages += bad
    assert [int(r.payload[:4]) for r in records] == kept
    assert [r.sequence for r in records] == list(range(1, len(kept) + 1))
    assert damages == []


def test_a_folder_that_is_gone_drops_and_counts(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    spool = Spool(folder, "b1", segment_bytes=10)
    assert spool.append(b"first")
    (folder / spool.position()[0]).unlink()
    folder.rmdir()
    assert not spool.append(b"second")
    assert not spool.append_durable(b"third")
    folder.mkdir()
    assert spool.append(b"fourth")
    spool.close()
    assert spool.dropped == 2


@pytest.mark.parametrize(
    "record",
    [
        PredictionRecord(
            "late", "2013-07-01T00:00:00Z", "c", 3, "v1", "champion", 1.5, ["b-1"], [None],
            ["2013-07-01T00:00:00Z"], {"a": [1.5], "b": [None], "c": ["x"], "d": [True]},
            [[0.25]], [False], {0: ["unseen:c"]},
        ),
        ShadowRecord("late", "2013-07-01T00:00:00Z", "v2", ["b-1"], [[0.5]]),
        LabelRecord("late", "2013-07-01T00:00:00Z", [Label("f-1", "2013-07-01T00:00:00Z", None)]),
    ],
)  # fmt: skip
def test_payloads_survive_the_round_trip(
    record: PredictionRecord | ShadowRecord | LabelRecord,
) -> None:
    assert decode(encode(record)) == record


def test_labels_written_before_they_had_a_source_are_read() -> None:
    old = {"type": "label", "model": "late", "received": "2013-07-01T00:00:00Z", "labels": []}
    assert decode(msgspec.msgpack.encode(old)) == LabelRecord("late", "2013-07-01T00:00:00Z", [])


def test_a_payload_of_another_shape_is_an_error() -> None:
    with pytest.raises(CorruptError):
        decode(b"\x81\xa4type\xa3new")
