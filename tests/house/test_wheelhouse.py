"""What goes along to a machine without a registry: all that cdml needs to run, by hash, no more."""

import re
import tomllib
from pathlib import Path

import pytest

from scripts.wheelhouse import closure, locked


def needs(root: Path) -> set[str]:
    """Return what the wheelhouse has to hold besides cdml itself."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return closure(project["dependencies"])


def test_what_is_needed_to_run_is_all_in_the_lock_and_has_its_hashes(root: Path) -> None:
    names = needs(root)
    text = locked((root / "requirements.lock").read_text(), names)
    assert set(re.findall(r"(?m)^([a-z0-9.-]+)==", text)) == names
    assert all("--hash=sha256:" in e for e in re.split(r"(?m)^(?=[a-z0-9])", text)[1:])


def test_what_an_extra_asks_for_goes_along(root: Path) -> None:
    assert "linkify-it-py" in needs(root)  # textual asks for markdown-it-py[linkify]


def test_what_only_development_needs_stays_behind(root: Path) -> None:
    assert not needs(root) & {"pytest", "mypy", "ruff", "hypothesis", "pip"}


def test_a_lock_that_is_behind_is_named() -> None:
    with pytest.raises(SystemExit, match="does not hold duckdb: run make lock"):
        locked("numpy==2.4.6 \\\n    --hash=sha256:ab\n", {"numpy", "duckdb"})
