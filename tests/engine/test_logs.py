"""Logs are JSON lines with ids, bounded in size, without rows; `cdml logs` reads and follows."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import log_verb, logs
from engine.errors import RefusedError
from tests.box import CDML, ENVIRONMENT


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for folder in ("logs", "runs/r7"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "cdml.toml").touch()
    return tmp_path


@pytest.fixture
def log(workspace: Path) -> Iterator[logging.Logger]:
    """A logger that writes as the engine does."""
    handler = logs.RotatingFileHandler(
        workspace / "logs" / "engine.log", maxBytes=logs.MOST_BYTES, backupCount=logs.KEPT
    )
    handler.setFormatter(logs.JsonLines())
    logger = logging.getLogger("cdml.tests-of-logs")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield logger
    logger.removeHandler(handler)
    handler.close()


def shown(workspace: Path, *words: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert log_verb.main([*words, "-w", str(workspace), "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_has_time_level_text_and_ids(
    workspace: Path, log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    log.info("train is done", extra={"run": "r7", "model": "late", "version": "v2", "request": ""})
    (line,) = shown(workspace, capsys=capsys)
    assert (line["level"], line["text"], line["run"], line["version"]) == (
        "INFO", "train is done", "r7", "v2",
    )  # fmt: skip
    assert line["time"].endswith("Z")
    assert "request" not in line


def test_of_a_surprise_its_kind_and_place_are_written_and_never_what_it_says(
    workspace: Path, log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    for fault in (ValueError("could not convert 'Ada Lovelace'"), RefusedError("ours", code="x"),
                  PermissionError(13, "Permission denied")):  # fmt: skip
        try:
            raise fault
        except Exception:
            log.exception("answering")
    text = (workspace / "logs" / "engine.log").read_text()
    assert "Ada" not in text
    surprise, ours, denied = shown(workspace, "engine", capsys=capsys)
    assert surprise["error"] == "ValueError"
    assert surprise["where"][-1].startswith("test_logs.py:")
    assert ours["said"] == "ours"
    assert "Permission denied" in denied["said"]


def test_what_is_shown_is_chosen_by_level_time_and_run(
    workspace: Path, log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    log.info("one", extra={"run": "r6"})
    log.warning("two", extra={"run": "r7"})
    (workspace / "runs" / "r7" / "log.txt").write_text("its own words\x1b[2J\n")
    assert [r["text"] for r in shown(workspace, "--level", "warning", capsys=capsys)] == ["two"]
    assert shown(workspace, "--since", "2100-01-01", capsys=capsys) == []
    assert len(shown(workspace, "--since", "1h", capsys=capsys)) == 2
    run = [r["text"] for r in shown(workspace, "r7", capsys=capsys)]
    assert run == ["two", "its own words\x1b[2J"]
    assert log_verb.main(["r7", "-w", str(workspace)]) == 0
    assert "\x1b" not in capsys.readouterr().out
    for wrong in ("r8", "../runs/r7"):
        assert log_verb.main([wrong, "-w", str(workspace)]) == 2


def test_a_log_that_others_append_to_is_kept_small_and_loses_nothing_before(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logs, "MOST_BYTES", 100)
    path = workspace / "logs" / "serving.log"
    with path.open("ab", buffering=0) as writer:
        for number in range(8):
            writer.write(f"line {number} {'x' * 60}\n".encode())
            logs.keep_small(path)
    kept = [r["text"].split()[1] for r in shown(workspace, "serving", capsys=capsys)]
    assert kept == [*"01234567"]
    assert path.stat().st_size <= 100
    assert not logs.keep_small(workspace / "none.log")


def test_lines_are_chosen_by_what_they_are_about(
    workspace: Path, log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    log.info("one", extra={"model": "late", "version": "v1", "request": "r-1", "kind": "gate"})
    log.info("v12 passed", extra={"model": "late", "kind": "gate"})
    log.info("two", extra={"model": "air"})
    for words, texts in (
        (("--model", "late"), ["one", "v12 passed"]), (("--version", "v1"), ["one"]),
        (("--version", "v12"), ["v12 passed"]), (("--request", "r-1"), ["one"]),
        (("--kind", "gate", "--model", "air"), []),
    ):  # fmt: skip
        assert [r["text"] for r in shown(workspace, *words, capsys=capsys)] == texts


def test_all_processes_are_shown_together_and_what_a_crash_wrote_is_an_error_of_its_moment(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def line(time: str, text: str) -> str:
        return json.dumps({"time": time, "level": "INFO", "of": "cdml", "text": text}) + "\n"

    folder = workspace / "logs"
    (folder / "engine.log").write_text(line("2026-01-01T10:00:02.000Z", "b"))
    (folder / "serving.log").write_text(
        line("2026-01-01T10:00:01.000Z", "a") + "Segmentation fault\n"
    )
    (folder / "supervisor.log").write_text(line("2026-01-01T10:00:03.000Z", "started again"))
    whole = [r["text"] for r in shown(workspace, "all", capsys=capsys)]
    assert whole == ["a", "Segmentation fault", "b", "started again"]
    words = ("serving", "--level", "error", "--since", "2026-01-01T10:00:00Z")
    (crash,) = shown(workspace, *words, capsys=capsys)
    assert (crash["text"], crash["time"]) == ("Segmentation fault", "2026-01-01T10:00:01.000Z")
    assert shown(workspace, "serving", "--since", "2026-01-01T10:00:02Z", capsys=capsys) == []


def test_what_was_written_just_before_a_file_was_set_aside_is_followed_too(
    workspace: Path,
) -> None:
    path, places = workspace / "logs" / "engine.log", dict[Path, tuple[int, int]]()
    path.write_text("first\nhalf")
    assert [text for _, text in log_verb._news(path, places)] == ["first"]
    with path.open("a") as file:
        file.write(" a line\n")
    path.rename(path.with_name("engine.log.1"))
    path.write_text("second\n")
    assert [text for _, text in log_verb._news(path, places)] == ["half a line", "second"]


def test_followed_it_goes_on_also_in_the_file_begun_anew(workspace: Path) -> None:
    path = workspace / "logs" / "engine.log"
    path.write_text("first\n")
    reader = subprocess.Popen(
        [*CDML, "logs", "--follow", "-w", str(workspace)],
        env=ENVIRONMENT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert reader.stdout is not None
    with reader:
        try:
            # What is no JSON, as of a crash, is an error.
            assert reader.stdout.readline() == "ERROR engine  first\n"
            with path.open("a") as file:
                file.write("second\n")
            assert reader.stdout.readline() == "ERROR engine  second\n"
            path.rename(path.with_name("engine.log.1"))
            path.write_text("third\n")
            assert reader.stdout.readline() == "ERROR engine  third\n"
        finally:
            reader.terminate()


def test_a_process_logs_json_onto_its_standard_error() -> None:
    script = (
        "import logging\nfrom engine import logs\nlogs.onto_stderr()\nlogging.error('x %s', 1)\n"
    )
    script += "for n in ('uvicorn.error', 'apscheduler.scheduler'): logging.getLogger(n).info('y')"
    run = subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert json.loads(run.stderr)["text"] == "x 1"
    assert logs.text_of(run.stderr) == "x 1"
    assert logs.text_of("Serving: no") == "Serving: no"


def test_a_line_holds_nothing_that_a_terminal_obeys_and_reads_as_it_was() -> None:
    said = {"text": "größe \x1b]0;owned\x07 \x9b31m \u202e \U000e0041 \n"}
    line = logs.as_line(said)
    assert line.isprintable()
    assert "größe" in line
    assert json.loads(line) == said
