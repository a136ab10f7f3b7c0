"""Completion: what may stand next, and a real bash that is asked through its own script."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cdml_tui.completion import candidates, script
from cdml_tui.quick import ask
from cdml_tui.verbs.table import VERBS
from engine import wire
from tests.console.socket_engine import JOB, T0, Fake, M, version

ROOT = Path(__file__).parents[2]
PRESS_TAB = """
eval "$(cdml completion bash)"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_cdml
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def known(fake: Fake) -> Fake:
    rows = [version("v1", ["standby"]), version("v2", ["champion"])]
    state = fake.routes["GET /api/v1/state"][1]
    assert isinstance(state, wire.State)
    model = wire.ModelState(**{**_fields(state.models[0]), "versions": rows})
    fake.routes |= {
        "GET /api/v1/state": (200, wire.State(**{**_fields(state), "models": [model]})),
        "GET /api/v1/jobs": (200, (JOB,)),
        "GET /api/v1/incidents": (200, [wire.IncidentRow(42, "late", "v2", "x", T0, None, 1)]),
        "GET /api/v1/alerts": (200, wire.AlertList([], {})),
        f"GET {M}/versions": (200, rows),
    }
    return fake


def _fields(value: wire.State | wire.ModelState) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["st"], ["status"]),
        (["versions", ""], ["late"]),
        (["show", ""], ["late", "v1", "v2"]),
        (["show", "late", "v"], ["v1", "v2"]),
        (["show", "v1", ""], []),
        (["compare", "v1", ""], ["v1", "v2"]),
        (["compare", "late", "v1", "v2", ""], []),
        (["rollback", "--to", "v"], ["v1", "v2"]),
        (["rollback", "--re"], ["--reason"]),
        (["-w", ".", "job", ""], ["r-1"]),
        (["cancel", "r"], ["r-1"]),
        (["incident", ""], ["42"]),
        (["alert", ""], ["ack", "mute"]),
        (["token", "re"], ["revoke"]),
        (["ingest", "late", ""], []),
        (["train", "-w", ""], []),
        (["--js"], ["--json"]),
    ],
)
def test_what_may_stand_next(known: Fake, typed: list[str], offered: list[str]) -> None:
    def asked(path: str, kind: type[object]) -> object:
        return ask(Path(str(known.server_address)), path, kind, 5.0)

    assert candidates(typed, asked) == offered  # type: ignore[arg-type]


def press_tab(folder: Path, *words: str) -> list[str]:
    """Ask a real bash what it would offer; the last word is the one being typed."""
    command = folder / "cdml"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m cdml_tui.cli "$@"\n')
    command.chmod(0o755)
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        ["bash", "-c", PRESS_TAB, "bash", "cdml", *words],
        env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stderr == ""
    return run.stdout.split()


def test_bash_offers_verbs_options_and_names(known: Fake, workspace: Path) -> None:
    assert press_tab(workspace, "roll") == ["rollback", "roll-through", "rollout"]
    assert press_tab(workspace, "rollback", "late", "--exp") == ["--expect"]
    assert press_tab(workspace, "promote", "late", "v") == ["v1", "v2"]


def test_bash_is_told_nothing_where_nobody_answers(workspace: Path) -> None:
    assert press_tab(workspace, "promote", "late", "v") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_script_knows_every_verb(shell: str) -> None:
    text = script(shell)
    assert all(name in text for name in VERBS)
    assert "__complete" in text
