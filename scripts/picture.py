"""Makes docs/console.svg from the real console on a real workspace: python -m scripts.picture.

Forty days of the demo are replayed, then the console is opened on them as an operator would.
"""

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cdml_tui.app import Console
from cdml_tui.client import Client
from cdml_tui.state import Screen
from engine import supervisor
from engine.clock import iso
from engine.demo import START
from engine.workspace import Workspace

ROOT = Path(__file__).parent.parent
DAYS = 40
SIZE = (100, 30)


def main() -> int:
    """Write the picture and return the exit code."""
    with tempfile.TemporaryDirectory(prefix="cdml-picture-") as folder:
        workspace = Workspace(Path(folder) / "box")
        command = [sys.executable, "-m", "engine", "demo", "--headless", "--days", str(DAYS)]
        subprocess.run([*command, "-w", str(workspace.root)], check=True, stdout=subprocess.DEVNULL)
        # The same clock as in the replay, so that the picture shows its last moment.
        supervisor.detach(workspace.root, ["--simulated", iso(START), "--seed", "1"])
        client = Client(workspace.engine_socket)
        try:
            svg = asyncio.run(_drawn(client, workspace))
        finally:
            client.stop()
            while workspace.holder() is not None:
                time.sleep(0.05)
    # The picture stands alone: no font is fetched from anywhere.
    svg = re.sub(r'\s*url\("https?://[^"]*"\) format\("[^"]*"\),?', "", svg)
    svg = re.sub(r'(src: local\("[^"]*"\)),', r"\1;", svg)
    (ROOT / "docs" / "console.svg").write_text(svg, encoding="utf-8")
    return 0


async def _drawn(client: Client, workspace: Workspace) -> str:
    app = Console(client, Screen(path=str(workspace.root)))
    async with app.run_test(size=SIZE) as pilot:
        for _ in range(100):
            await pilot.pause(0.1)
            if "champion" in app.export_screenshot():
                break
        await pilot.pause(1.5)
        return app.export_screenshot(title=f"cdml -w {workspace.root.name}")


if __name__ == "__main__":
    sys.exit(main())
