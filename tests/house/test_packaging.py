"""The lock file, the wheel's data, and that nothing in the project knows one machine."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)
# Put together here, so that this file does not hold what it looks for.
MACHINES = [f"/{folder}/" for folder in ("home", "root", "Users", "work", "opt", "mnt")]


def wanted(root: Path) -> list[Requirement]:
    """Return what pyproject.toml asks for, to run and to develop."""
    settings = tomllib.loads((root / "pyproject.toml").read_text())
    asked = settings["project"]["dependencies"] + settings["dependency-groups"]["dev"]
    return [Requirement(line) for line in asked]


def test_the_lock_holds_all_that_is_asked_for(root: Path) -> None:
    locked = {
        canonicalize_name(n): v for n, v in LOCKED.findall((root / "requirements.lock").read_text())
    }
    for requirement in wanted(root):
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not locked: run make lock"
        assert version in requirement.specifier, f"{requirement} is not {version}: run make lock"


def test_the_lock_has_hashes_and_no_addresses(root: Path) -> None:
    text = (root / "requirements.lock").read_text()
    assert "://" not in text
    assert not re.search(
        r"^\s*(-|\S+\s*@)", re.sub(r"^\s+--hash=\S+.*$", "", text, flags=re.MULTILINE), re.MULTILINE
    )
    entries = re.split(r"(?m)^(?=[a-z0-9])", text)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_wheel_takes_the_data_along(root: Path) -> None:
    wheel = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"][
        "targets"
    ]["wheel"]
    assert wheel["sources"]["data"] == "engine/_data"
    assert (root / "data/flights_lga.parquet").stat().st_size > 1_000_000
    assert len((root / "data/seattle_weather.csv").read_text().splitlines()) == 1462
    excluded = wheel["exclude"]
    assert not any((root / "data/seattle_weather.csv").match(p) for p in excluded)


def project_files(root: Path) -> list[Path]:
    """Return every text file that belongs to the project."""
    folders = ("engine", "cdml_tui", "tests", "docs", "data", "scripts", ".ci")
    kinds = {".py", ".md", ".toml", ".txt", ".json", ".svg", ".tcss", ""}
    inside = [p for f in folders for p in (root / f).rglob("*") if "__pycache__" not in p.parts]
    return [p for p in [*inside, *root.iterdir()] if p.is_file() and p.suffix in kinds]


def test_no_file_knows_one_machine(root: Path) -> None:
    for path in project_files(root):
        text = path.read_text()
        for machine in MACHINES:
            found = re.search(rf"(?<![\w.\]}}$*]){re.escape(machine)}[\w.]", text)
            assert found is None, f"{path.relative_to(root)}: {found}"


@pytest.mark.parametrize("name", ["README.md", "LICENSE", "CHANGELOG.md", "Makefile", ".ci/run"])
def test_what_a_stranger_looks_for_is_there(root: Path, name: str) -> None:
    assert (root / name).stat().st_size > 0
