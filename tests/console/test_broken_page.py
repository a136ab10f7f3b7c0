"""A page that cannot be drawn says so in a line, keeps its trace in a file, and ends nothing."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from page_desk import answered, opened, texts

from cdml_tui import console_log
from cdml_tui.panes.line import line
from cdml_tui.screens import fault
from cdml_tui.screens.page import Rows
from cdml_tui.screens.table import PAGES


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    logger = logging.getLogger("cdml_tui")
    before = logger.handlers, logger.propagate
    fault._noted.cache_clear()
    console_log.begin(tmp_path / "state" / "console.log")
    yield tmp_path / "state" / "console.log"
    for handler in logger.handlers:
        handler.close()
    logger.handlers, logger.propagate = before


def test_a_page_whose_drawing_breaks_says_so_and_is_left_again(log: Path) -> None:
    # Not what the engine answers: the page finds none of what it draws.
    desk = answered(opened("performance"), 7)
    for key in ("j", "G", "/", "escape"):
        said = " ".join(" ".join(texts(desk)).split())
        assert "this page (performance) could not be drawn (AttributeError" in said
        desk.press(key)
    assert not desk.press("escape").screen.sheets
    trace = log.read_text(encoding="utf-8")
    assert "Traceback" in trace
    assert trace.count("drawing this page (performance)") == 1


def test_a_row_that_breaks_hides_no_other(log: Path) -> None:
    def draw(at: int) -> tuple:
        return line(f"row {10 // at}")

    rows = [one[0].text for one in Rows(3, draw)[0:3]]
    assert rows[1:] == ["row 10", "row 5"]
    assert rows[0].startswith(" row 1 could not be drawn (ZeroDivisionError")
    assert log.exists()


def test_a_log_that_cannot_be_written_costs_the_log_only(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").write_text("a file where a folder should be", encoding="utf-8")
    logger = logging.getLogger("cdml_tui")
    before = logger.handlers, logger.propagate
    console_log.begin(tmp_path / "state" / "console.log")
    logger.error("something broke")
    logger.handlers, logger.propagate = before
    assert capfd.readouterr().err == ""


def test_no_page_of_ours_breaks_on_the_guard(log: Path) -> None:
    for name, page in PAGES.items():
        if page.ask is None:
            continue
        desk = opened("events")
        sheet = replace(desk.screen.sheets[-1], value=object(), came=desk.at)
        subject = replace(sheet.subject, page=name)
        desk.screen = replace(desk.screen, sheets=(replace(sheet, subject=subject),))
        assert "could not be drawn" in " ".join(texts(desk))
