"""Makes the pictures of the documents from the real console on a real workspace: make picture.

Forty days of the demo are replayed, then the console is opened on them as an operator would.
"""

import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from cdml_tui.client import Client
from cdml_tui.picture import drawn
from cdml_tui.screens.table import PAGES
from engine import supervisor
from engine.clock import iso
from engine.demo import START
from engine.workspace import Workspace

ROOT = Path(__file__).parent.parent
DAYS = 40
DRAWN = ("watch", "version", "drift", "performance", "help")
PICTURES = {
    page: "console.svg" if page == "watch" else f"console-{page}.svg"
    for page in DRAWN
    if page == "watch" or page in PAGES
}


def main() -> int:
    """Write the pictures and return the exit code."""
    with tempfile.TemporaryDirectory(prefix="cdml-picture-") as folder:
        workspace = Workspace(Path(folder) / "box")
        command = [sys.executable, "-m", "engine", "demo", "--headless", "--days", str(DAYS)]
        subprocess.run([*command, "-w", str(workspace.root)], check=True, stdout=subprocess.DEVNULL)
        # The same clock as in the replay, so that the picture shows its last moment.
        supervisor.detach(workspace.root, ["--simulated", iso(START), "--seed", "1"])
        client = Client(workspace.engine_socket)
        try:
            for page, file in PICTURES.items():
                # Each on a connection of its own: the one before must not be seen as a console.
                with closing(Client(workspace.engine_socket)) as own:
                    svg = drawn(own, str(workspace.root), page)
                (ROOT / "docs" / file).write_text(svg, encoding="utf-8")
        finally:
            client.stop()
            while workspace.holder() is not None:
                time.sleep(0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())
