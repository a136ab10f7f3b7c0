"""Workspaces with real processes, ended whatever happens."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.box import Box, copied


@pytest.fixture
def stopped(tmp_path: Path, stock: Path) -> Iterator[Box]:
    """Return a workspace with champion v1 and v2 past its gate; nothing runs."""
    with copied(stock, tmp_path / "box") as box:
        yield box


@pytest.fixture
def box(stopped: Box) -> Box:
    """Return the same workspace, running."""
    stopped.up()
    return stopped
