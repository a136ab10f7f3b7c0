"""The arrows between rooms: contracts in pyproject.toml, and that each of them can fail at all."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

# One wrong import for every contract; together they must break them all.
VIOLATIONS = {
    "engine/wrong.py": "import cdml_tui",
    "engine/domain/wrong.py": "import engine.clock, engine.ledger.ledger",
    "engine/serving/wrong.py": "import engine.store.connection",
    "engine/stats/wrong.py": "import engine.artifacts",
    "engine/pipeline/wrong.py": (
        "import apprise, apscheduler, duckdb, httpx, litestar, opentelemetry, rich\n"
        "import skops, sqlite3, engine.api.wrong"
    ),
    "engine/api/wrong.py": "import engine.pipeline.wrong",
    "cdml_tui/panes/wrong.py": "import textual, cdml_tui.screens, engine.ledger.ledger",
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter there."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """Return a folder with the two packages and their contracts."""
    for package in ("engine", "cdml_tui"):
        shutil.copytree(
            root / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(root / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_import_follows_the_arrows(copy: Path) -> None:
    run = lint(copy)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_contract_notices_a_wrong_import(copy: Path) -> None:
    for path, line in VIOLATIONS.items():
        (copy / path).write_text(f'"""Goes against an arrow."""\n\n{line}\n')
    run = lint(copy)
    settings = tomllib.loads((copy / "pyproject.toml").read_text())
    for contract in settings["tool"]["importlinter"]["contracts"]:
        assert f"{contract['name']} BROKEN" in run.stdout, run.stdout + run.stderr
