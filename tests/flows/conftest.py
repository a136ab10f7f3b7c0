"""Workspaces with real processes, ended whatever happens."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.box import Box, copied, initialised


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Box]:
    """Return a workspace that `cdml init` just made; nothing runs."""
    box = initialised(tmp_path)
    yield box
    box.end()


@pytest.fixture
def box(tmp_path: Path, stock: Path) -> Iterator[Box]:
    """Return a running workspace with champion v1 and v2 past its gate."""
    with copied(stock, tmp_path / "box") as box:
        box.up()
        yield box
