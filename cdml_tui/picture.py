"""A picture of the console without a terminal: `cdml watch --svg FILE`, and for the documents."""

import asyncio
from pathlib import Path

from cdml_tui import actions
from cdml_tui.album import alone
from cdml_tui.app import Console
from cdml_tui.client import Client, ConsoleError
from cdml_tui.screens.table import PAGES
from cdml_tui.state import Screen
from cdml_tui.verbs.session import usage

SIZE = (100, 30)
PATIENCE_S = 15.0


def save(client: Client, path: str, file: str, page: str | None, size: str | None) -> int:
    """Write a picture of a page to a file; return the exit code."""
    client.state()  # an engine that does not answer is said, not drawn
    svg = drawn(client, path, page or "watch", _size(size))
    try:
        Path(file).write_text(svg, encoding="utf-8")
    except OSError as fault:
        raise ConsoleError(
            "file_not_written", f'Writing the picture "{file}": {fault.strerror}.', "svg", 422
        ) from None
    return 0


def drawn(client: Client, path: str, page: str, size: tuple[int, int] = SIZE) -> str:
    """Return the SVG of a page as the real console draws it on this engine now."""
    if page != "watch" and page not in PAGES:
        raise usage(f'there is no page "{page[:40]}"; there are watch, {", ".join(PAGES)}.', "page")
    return alone(asyncio.run(_drawn(client, path, page, size)))


async def _drawn(client: Client, path: str, page: str, size: tuple[int, int]) -> str:
    console = Console(client, Screen(path=path))
    async with console.run_test(size=size) as pilot, asyncio.timeout(PATIENCE_S):
        while console.state.snapshot is None:
            await pilot.pause(0.05)
        if page != "watch":
            await pilot.press(actions.named(page).keys[0])
            while not _came(console):
                await pilot.pause(0.05)
        await pilot.pause(0.2)
        return console.export_screenshot(title=f"cdml -w {Path(path).name}")


def _came(console: Console) -> bool:
    """Say whether the page has what it asked for, or why not."""
    sheets = console.state.sheets
    if not sheets:
        return bool(console.state.message)
    sheet = sheets[-1]
    return PAGES[sheet.subject.page].ask is None or sheet.value is not None or bool(sheet.why)


def _size(text: str | None) -> tuple[int, int]:
    if text is None:
        return SIZE
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and 20 <= int(width) <= 400 > int(height) >= 4):
        raise usage("--size is columns x rows, like 100x30.", "size")
    return int(width), int(height)
