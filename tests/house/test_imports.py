"""What an import drags in at run time, seen by a fresh interpreter: contracts cannot see that."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"sklearn", "scipy", "numpy", "pandas", "pyarrow", "skops", "duckdb", "litestar",
         "apscheduler", "statsmodels"}  # fmt: skip
SCREEN = {"textual", "rich"}
# What tells others: of no cost to whoever does not ask for it.
OUTWARD = {"opentelemetry", "apprise", "requests", "google.protobuf"}
ENGINE = {"engine.store", "engine.pipeline", "engine.jobs", "engine.api", "engine.ledger",
          "engine.artifacts", "engine.serving", "engine.stats", "engine.domain"}  # fmt: skip

# room: (the modules imported, what must not be loaded by them)
ROOMS = {
    "the command": (("cdml_tui.cli",), HEAVY | SCREEN | ENGINE),
    "the console without its screen": (
        ("cdml_tui.client", "cdml_tui.state", "cdml_tui.actions", "cdml_tui.panes.*"),
        HEAVY | ENGINE | {"textual"},
    ),
    "the console": (("cdml_tui.*",), HEAVY | ENGINE),
    "the engine's front door": (("engine.__main__",), HEAVY | SCREEN),
    "values": (
        ("engine.wire", "engine.settings", "engine.workspace", "engine.clock"),
        HEAVY | SCREEN | ENGINE,
    ),
    "decisions": (
        ("engine.domain.*",),
        HEAVY | SCREEN | (ENGINE - {"engine.domain"}) | {"msgspec"},
    ),
    "the ledger": (("engine.ledger.*",), HEAVY | SCREEN),
    "serving": (
        ("engine.serving.*",),
        SCREEN
        | {"duckdb", "litestar", "apscheduler", "pandas", "pyarrow"}
        | OUTWARD
        | {"engine.store", "engine.pipeline", "engine.jobs", "engine.api"},
    ),
    "the keeper of several workers": (
        ("engine.serving.server", "engine.serving.crew"),
        HEAVY | SCREEN | (ENGINE - {"engine.serving"}) | {"uvicorn", "prometheus_client", "uvloop"},
    ),
    "an engine that starts": (("engine.daemon",), SCREEN | {"scipy", "sklearn", "skops"}),
    "the engine": (
        ("engine.*",),
        SCREEN | OUTWARD | {"pandas", "pyarrow", "statsmodels", "cdml_tui"},
    ),
}


def modules(root: Path, pattern: str) -> list[str]:
    """Return the modules that a name or `package.*` stands for, `__main__` files left out."""
    if not pattern.endswith(".*"):
        return [pattern]
    folder = root / pattern[:-2].replace(".", "/")
    paths = (p.relative_to(root).with_suffix("") for p in sorted(folder.rglob("*.py")))
    names = (".".join(p.parts).removesuffix(".__init__") for p in paths)
    return [name for name in names if not name.endswith("__main__")]


def loaded_by(root: Path, names: list[str]) -> set[str]:
    """Return all that a fresh interpreter has loaded after importing the modules."""
    script = (
        "import importlib, json, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_loads_nothing_it_does_not_need(root: Path, room: str) -> None:
    patterns, unwanted = ROOMS[room]
    loaded = loaded_by(root, [name for p in patterns for name in modules(root, p)])
    assert not loaded & unwanted
