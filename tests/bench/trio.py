"""The workspace of the serving bench: three kinds of model on 30 columns, trained by the engine."""

import functools
import json
import shutil
import sys
import tempfile
import time
import uuid
from pathlib import Path

import duckdb
import numpy as np

from cdml_tui.client import Client
from engine.wire import Change
from tests.bench.ports import free_port
from tests.bench.process import cdml

RECIPES = {"lr": "linear", "hgb": "hist_gradient_boosting", "forest": "random_forest"}
COLUMNS = [f"x{at:02d}" for at in range(30)]
ROWS = 4_000
SEED = 5
TRAINING_S = 240.0
# A fourth model, trained only where it is asked for: its second version takes about 100 MB.
BIG = "big"
BIG_ROWS = (1_000, 44_000)
_OWN_RECIPE = '''"""A forest as large as its rows make it."""

from sklearn.ensemble import RandomForestClassifier


def forest(task, metric, categorical, seed):
    return RandomForestClassifier(
        n_estimators=150, max_features=1, min_samples_leaf=1, random_state=seed, n_jobs=1
    )
'''
_MODEL = """
[models.{name}]
task = "binary"
recipe = "{recipe}"
target = "y"
time = "at"
label_maturity = "1h"

[models.{name}.train]
seeds = 1

[models.{name}.rollout]
mode = "manual"
"""


class Trio:
    """A running workspace in which `lr`, `hgb` and `forest` each have v1 as champion."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "trio"
        self.port = free_port()
        self.client = Client(self.workspace / "run" / "engine.sock", timeout=60.0)
        self._folder = folder

    @property
    def url(self) -> str:
        """Where predictions are asked for."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def serving_pid(self) -> int:
        """The process that answers."""
        pid = self.client.state().serving.pid
        if pid is None:
            raise RuntimeError("serving is not running")
        return pid

    def prepare(self) -> None:
        """Write the workspace, start it and train the three."""
        self.workspace.mkdir()
        (self.workspace / "bench_recipe.py").write_text(_OWN_RECIPE, encoding="utf-8")
        recipes = {**RECIPES, BIG: "bench_recipe:forest"}
        text = f'[serving]\nlisten = "127.0.0.1:{self.port}"\n'
        text += "".join(_MODEL.format(name=n, recipe=r) for n, r in recipes.items())
        (self.workspace / "cdml.toml").write_text(text, encoding="utf-8")
        self.up()
        file = table(self._folder, "rows", ROWS)
        for name in RECIPES:
            self._train(name, file, "v1")

    def train_big(self) -> None:
        """Train a small champion and a large second version of a fourth model."""
        for at, rows in enumerate(BIG_ROWS):
            file = table(self._folder, f"big{at}", rows, first_day=40 * at)
            self._train(BIG, file, f"v{at + 1}")

    def _train(self, model: str, file: Path, version: str) -> None:
        copy = shutil.copy(file, self._folder / f"{model}-{version}.parquet")
        cdml("ingest", model, str(copy), "-w", str(self.workspace))
        cdml("train", model, "--wait", "-w", str(self.workspace), fine=(0, 1, 4))
        end = time.monotonic() + TRAINING_S
        while version not in [row.version for row in self.client.versions(model)]:
            if time.monotonic() > end or any(j.state == "failed" for j in self.client.jobs()):
                sys.exit(f"there is no {version} of {model}: {self.client.jobs()}")
            time.sleep(0.2)

    def up(self) -> None:
        """Start engine and prediction service."""
        cdml("up", "-w", str(self.workspace))

    def down(self) -> None:
        """Stop them."""
        if (self.workspace / "cdml.toml").exists():
            cdml("down", "-w", str(self.workspace), fine=(0, 3))

    def promote(self, model: str, version: str) -> None:
        """Make a version champion, whatever its gate said."""
        change = Change(uuid.uuid4().hex, to=version, override=[version], reason="bench")
        self.client.change("promote", model, change)

    def rollback(self, model: str, leaving: str) -> None:
        """Roll back from a version."""
        self.client.change("rollback", model, Change(uuid.uuid4().hex, leaving, reason="bench"))


def table(folder: Path, name: str, rows: int, first_day: int = 0) -> Path:
    """Write rows over 30 days as a table to train on, and return the file."""
    from sklearn.datasets import make_classification

    path = folder / f"{name}.parquet"
    values, labels = make_classification(
        rows, len(COLUMNS), n_informative=12, n_redundant=6, flip_y=0.1, random_state=SEED
    )
    minutes = np.sort(np.random.default_rng(SEED).integers(0, 30 * 1440, rows))
    start = np.datetime64("2026-01-01", "m") + first_day * 1440
    found = {"y": labels > 0, "at": (start + minutes).astype("datetime64[us]")}
    found |= {column: values[:, at].round(6) for at, column in enumerate(COLUMNS)}
    database = duckdb.connect()
    database.register("found", found)
    database.execute(f"copy (from found) to '{path}' (format parquet)")
    return path


def rows(count: int) -> list[dict[str, float]]:
    """Return features as clients send them, drawn as the training rows were."""
    from sklearn.datasets import make_classification

    values, _ = make_classification(
        ROWS, len(COLUMNS), n_informative=12, n_redundant=6, flip_y=0.1, random_state=SEED
    )
    found: list[list[float]] = values[:count].round(6).tolist()
    return [dict(zip(COLUMNS, row, strict=True)) for row in found]


def row_body(features: list[dict[str, float]]) -> bytes:
    """Return a request in rows."""
    return json.dumps({"rows": [{"features": f} for f in features]}).encode()


def column_body(features: list[dict[str, float]]) -> bytes:
    """Return the same as named tensors of the Open Inference Protocol."""
    inputs = [
        {"name": c, "shape": [len(features)], "datatype": "FP64", "data": [f[c] for f in features]}
        for c in COLUMNS
    ]
    return json.dumps({"inputs": inputs}).encode()


@functools.cache
def _made() -> tuple[tempfile.TemporaryDirectory[str], Trio]:
    folder = tempfile.TemporaryDirectory(prefix="cdml-bench-")
    trio = Trio(Path(folder.name))
    try:
        sys.stderr.write("training three models\n")
        trio.prepare()
    except BaseException:
        trio.down()
        folder.cleanup()
        raise
    return folder, trio


def shared() -> Trio:
    """Return the workspace, made at the first call."""
    return _made()[1]


def put_away() -> None:
    """Stop and remove the workspace if it was made."""
    if _made.cache_info().currsize:
        folder, trio = _made()
        trio.down()
        folder.cleanup()
