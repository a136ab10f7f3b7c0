"""The end of a run's log: bounded, whole lines, whatever bytes are in it."""

from pathlib import Path

import pytest

from engine.api import run_log
from engine.wire import JobRow


def run(state: str, ended: str | None = None) -> JobRow:
    return JobRow("r7", "late", "train", state, "operator", "2026-03-14T03:00:00Z", ended_at=ended)


def test_a_short_log_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_bytes(b"  0%  reading rows\n 50%  fit \xff\n")
    found = run_log.tail(tmp_path, run("running"))
    assert found.lines == ["  0%  reading rows", " 50%  fit \ufffd"]
    assert (found.cut, found.missing) == (0, "")


def test_of_a_long_log_only_whole_lines_of_its_end(tmp_path: Path) -> None:
    text = "".join(f"line {i}\n" for i in range(20_000))
    (tmp_path / "log.txt").write_text(text)
    found = run_log.tail(tmp_path, run("running"))
    assert found.lines[-1] == "line 19999"
    assert text[found.cut :] == "".join(f"{one}\n" for one in found.lines)
    assert len(text) - found.cut <= run_log.TAIL


def test_one_endless_line_is_cut_and_not_kept(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_bytes(b"x" * (3 * run_log.TAIL))
    found = run_log.tail(tmp_path, run("running"))
    assert sum(map(len, found.lines)) <= run_log.TAIL


@pytest.mark.parametrize(
    ("state", "ended", "why"),
    [
        ("queued", None, "waits for its turn"),
        ("running", None, "no process of its own yet"),
        ("done", "2026-03-14T03:01:00Z", "had no process of its own"),
    ],
)
def test_no_log_says_why(tmp_path: Path, state: str, ended: str | None, why: str) -> None:
    assert why in run_log.tail(tmp_path, run(state, ended)).missing
