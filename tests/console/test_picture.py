"""Pictures of the console: by a key, by a command, and those that the documents show."""

import html
import re
from pathlib import Path

import flights
import pytest
from fake_engine import Running

from cdml_tui import actions, cli
from cdml_tui.album import keep
from cdml_tui.app import Console
from cdml_tui.client import Client
from cdml_tui.state import Screen
from scripts.picture import PICTURES

DOCS = Path(__file__).parents[2] / "docs"
Output = pytest.CaptureFixture[str]


def words(svg: str) -> str:
    """Return the text of a picture."""
    drawn = "\n".join(re.findall(r"<text[^>]*>(.*?)</text>", svg))
    return html.unescape(re.sub(r"<[^>]*>", "", drawn)).replace("\xa0", " ")


async def test_x_keeps_a_picture_under_a_new_name_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    running = Running(tmp_path / "engine.sock")
    running.engine.state = flights.state(workspace="../box 1")
    client = Client(running.path)
    console = Console(client, Screen(path="/srv/flights"))
    try:
        async with console.run_test(size=(80, 24)) as pilot:
            while console.state.snapshot is None:
                await pilot.pause(0.01)
            await pilot.press("x")
            assert console.state.message.startswith("picture kept: ")
            await pilot.press("x")
            assert console.state.message.endswith("-2.svg")
    finally:
        running.close()
        client.close()
    kept = sorted((tmp_path / "state" / "cdml").iterdir())
    assert [p.name for p in kept] == [
        "box_1-watch-2026-03-14T030411-2.svg",
        "box_1-watch-2026-03-14T030411.svg",
    ]
    for path in kept:
        svg = path.read_text(encoding="utf-8")
        assert "READY for rollback" in words(svg)
        assert "url(" not in svg.replace("url(#", ""), "nothing is fetched from anywhere"


def test_a_name_never_leaves_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = keep("<svg/>", "../../etc", "/", "..")
    assert path.parent == tmp_path / "cdml"


def test_a_page_is_drawn_by_a_command(workspace: Path, capsys: Output) -> None:
    running = Running(workspace / "run" / "engine.sock")
    try:
        assert cli.main(["watch", "--svg", "a.svg", "--page", "help", "--size", "80x24"]) == 0
        assert "cdml rollback" in words(Path("a.svg").read_text(encoding="utf-8"))
        assert cli.main(["watch", "--svg", "a.svg", "--page", "none"]) == 2
        assert "there is no page" in capsys.readouterr().err
        assert cli.main(["watch", "--svg", "a.svg", "--size", "big"]) == 2
        assert cli.main(["watch", "--svg", "no/where.svg"]) == 2
    finally:
        running.close()
    assert cli.main(["watch", "--svg", "a.svg"]) == 3


def test_the_shipped_pictures_show_the_console_of_today() -> None:
    shown = {p.name for p in DOCS.glob("console*.svg")}
    assert "console.svg" in shown
    assert shown <= set(PICTURES.values()), "make picture draws every picture there is"
    text = words((DOCS / "console.svg").read_text(encoding="utf-8"))
    for row in actions.key_rows():
        if row.name in ("rollback", "promote", "train", "help", "quit"):
            assert re.search(rf"{re.escape(row.keys[0])}\s+{row.short}", text), row.name
    for pane in ("1 Versions", "2 Signals", "3 Jobs", "4 Events"):
        assert re.search(pane.replace(" ", r"\s+"), text), pane
