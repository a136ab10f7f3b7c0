"""The ten minutes of the README, command by command, as a reader would type them."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.box import free_port

BLOCK = re.compile(r"```(sh|python)\n(.*?)```", re.DOTALL)
ACTIVATE = ". .venv/bin/activate"
ENTER = "cd box\n"
START = "cdml up\n"
USUAL = "127.0.0.1:8080"
# Where the README tells the reader to look until the first version is there.
WAIT = """for look in $(seq 600); do
  cdml versions late --json | grep -q champion && break
  cdml jobs --json | grep -q '"state":"failed"' && cdml jobs && exit 1
  sleep 0.2
done
"""


def script(root: Path, port: int) -> str:
    """Return the README's blocks as one shell script, on a port of its own."""
    text = (root / "README.md").read_text()
    part = re.search(r"<!-- ten minutes -->(.*)<!-- /ten minutes -->", text, re.DOTALL)
    assert part is not None
    lines = ["set -eu"]
    for language, body in BLOCK.findall(part[1]):
        body = body.replace(USUAL, f"127.0.0.1:{port}")
        lines.append(f"python - <<'END'\n{body}END" if language == "python" else body)
    whole = "\n".join(lines)
    assert ACTIVATE in whole
    assert ENTER in whole
    assert START in whole
    path = f'export PATH="{Path(sys.executable).parent}:$PATH"'
    use_port = f"grep {USUAL} cdml.toml\nsed -i s/{USUAL}/127.0.0.1:{port}/ cdml.toml\n"
    whole = whole.replace(ACTIVATE, path).replace(START, START + WAIT)
    return whole.replace(ENTER, ENTER + use_port)


@pytest.fixture
def place(root: Path, tmp_path: Path) -> Iterator[Path]:
    """Return a folder with the project's data in it; what was started there is stopped."""
    (tmp_path / "data").symlink_to(root / "data")
    yield tmp_path
    if (tmp_path / "box" / "run").exists():
        subprocess.run(
            [sys.executable, "-m", "cdml_tui.cli", "down", "-w", str(tmp_path / "box")],
            cwd=root,
            check=False,
        )


def test_the_ten_minutes_of_the_readme_work(root: Path, place: Path) -> None:
    run = subprocess.run(
        ["bash", "-c", script(root, free_port())],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "'version': 'v1'" in run.stdout
    assert "id,ts,score,decision,version,prediction_id,flags" in run.stdout
