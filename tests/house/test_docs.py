"""The documents stay in step with the code: words, verbs, settings, targets, rooms, versions."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cdml_tui.actions import ACTIONS
from cdml_tui.verbs.table import VERBS

WORDS = """
model, version, estimator, candidate, challenger, champion, role, anchor, standby, generation,
shadow, canary, rollout, phase, gate, verdict, guardrail, breach, alert, reference window,
current window, trivial baseline, drift score, realised performance, estimated performance,
forecast performance, label, label delay, prediction log, slice, metric, KPI, telemetry, job,
schedule, run, promote, abort, rollback, undo, hold, freeze, pin, taint, quarantine, policy
"""
DOCUMENTS = ("README.md", "CHANGELOG.md", "docs/ARCHITECTURE.md", "docs/GLOSSARY.md",
             "docs/OPERATING.md", "docs/RUNBOOK.md", "data/README.md")  # fmt: skip


@pytest.mark.parametrize("word", [w.strip() for w in WORDS.split(",")])
def test_every_word_stands_in_the_glossary(root: Path, word: str) -> None:
    bold = re.findall(r"\*\*(.+?)\*\*", (root / "docs/GLOSSARY.md").read_text())
    assert word.lower() in [entry.lower() for entry in bold]


def test_generated_parts_are_as_the_code_says(root: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "scripts.docs", "--check"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_make_target_is_explained(root: Path) -> None:
    targets = re.findall(r"^([a-z]+):", (root / "Makefile").read_text(), re.MULTILINE)
    explained = (root / "README.md").read_text() + (root / "docs/OPERATING.md").read_text()
    assert not [t for t in targets if f"make {t}" not in explained]


def test_the_map_fits_and_names_every_room(root: Path) -> None:
    text = (root / "docs/ARCHITECTURE.md").read_text()
    assert len(text.splitlines()) < 180
    for package in ("engine", "cdml_tui"):
        for path in (root / package).iterdir():
            if path.is_dir() and path.name != "__pycache__":
                assert f"{path.name}/" in text, f"{package}/{path.name}/ is not on the map"
            elif path.suffix == ".py" and path.stem != "__init__":
                assert path.name in text, f"{package}/{path.name} is not on the map"


def test_the_runbook_fits_a_page_and_names_commands_that_exist(root: Path) -> None:
    text = (root / "docs/RUNBOOK.md").read_text()
    assert len(text.splitlines()) <= 56, "a page of pr(1), beside its head and foot"
    assert max(map(len, text.splitlines())) <= 100
    words = re.findall(r"`?cdml (?:-w W )?([a-z]+)", text)
    assert len(words) > 15
    assert not set(words) - set(VERBS)


def test_links_between_documents_lead_somewhere(root: Path) -> None:
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", (root / document).read_text()):
            if "://" not in link:
                assert ((root / document).parent / link).exists(), f"{document}: {link}"


def test_the_version_is_the_newest_in_the_changelog(root: Path) -> None:
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    newest = re.search(r"^## (\S+)", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == version


def test_decisions_are_numbered_without_a_gap(root: Path) -> None:
    names = sorted(p.name for p in (root / "docs/decisions").glob("*.md"))
    assert [n[:4] for n in names] == [f"{at:04}" for at in range(1, len(names) + 1)]


def test_every_key_names_a_command_that_exists() -> None:
    for action in ACTIONS:
        if action.command:
            assert action.command.split()[1] in VERBS, action.name
