"""A fresh workspace for each test of the pipeline."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.pipeline.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A workspace with one binary model and nothing in it."""
    found = Place.made(tmp_path)
    yield found
    found.close()
