"""A workspace with real sealed models and a real serving process on a free port."""

import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from engine.artifacts import Artifacts, Manifest, ManifestFeature, dump
from engine.domain.roles import Roles
from engine.errors import UnavailableError
from engine.ledger.change import ENGINE
from engine.ledger.ledger import Ledger
from engine.serving.control import ServingLink
from engine.stats.encoding import rows_matrix
from engine.workspace import Workspace

NOW = datetime(2013, 7, 1, tzinfo=UTC)
CARRIERS = ["AA", "B6", "DL", "UA"]
FEATURES = [
    ManifestFeature("hour", "numeric", nullable=False, low=5.0, high=23.0),
    ManifestFeature("distance", "numeric", nullable=True, low=90.0, high=2500.0),
    ManifestFeature("carrier", "categorical", nullable=False, categories=CARRIERS),
    ManifestFeature("holiday", "boolean", nullable=False),
]
SETTINGS = """
[models.late]
task = "binary"
target = "late"
time = "event_time"
[models.late.rollout]
unit = "id"
[models.kind]
task = "multiclass"
target = "kind"
time = "event_time"
[models.delay]
task = "regression"
target = "delay"
time = "event_time"
[models.idle]
task = "binary"
target = "late"
time = "event_time"
"""
START = (
    "import sys; from pathlib import Path; from engine.serving.server import run; "
    "seed = int(sys.argv[3]) if len(sys.argv) > 3 else None; "
    "sys.exit(run(Path(sys.argv[1]), seed=seed, listen=sys.argv[2]))"
)


def make_rows(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows that every version's contract accepts."""
    rng = np.random.default_rng(seed)
    return [
        {
            "hour": float(rng.integers(5, 24)),
            "distance": None if rng.random() < 0.1 else float(rng.integers(90, 2500)),
            "carrier": str(rng.choice(CARRIERS)),
            "holiday": bool(rng.random() < 0.1),
        }
        for _ in range(n)
    ]


def seal(
    workspace: Workspace,
    model: str,
    task: str,
    seed: int,
    /,
    breaks: bool = False,
    **changed: Any,
) -> str:
    """Train, seal and register one version; `changed` overrides fields of its manifest.

    One that `breaks` is a regression whose answer from hour 1000 on is not a finite number.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    rows = make_rows(400, seed)
    truth = np.array([r["hour"] + (5 if r["carrier"] == "UA" else 0) for r in rows])
    blank = Manifest(
        model, task, "hist_gradient_boosting", "late", "log_loss", FEATURES, [], 0.5,
        False, "", 0, "2013-01-01", "2013-03-01", len(rows), [], "all", seed, None, {},
        "2013-07-01T00:00:00Z", "r1", [], [],
    )  # fmt: skip
    common = {"max_iter": 20, "random_state": seed}
    classes: list[str] = []
    if task == "regression":
        estimator = HistGradientBoostingRegressor(**common)
        estimator = make_pipeline(SimpleImputer(), Ridge()) if breaks else estimator
        target: Any = truth
    elif task == "binary":
        estimator, target = HistGradientBoostingClassifier(**common), truth > 16 + seed
    else:
        estimator = HistGradientBoostingClassifier(**common)
        target = np.array(["early", "noon", "late"])[(truth // 10).astype(int)]
    matrix = rows_matrix(blank.schema(), rows)
    estimator.fit(matrix, target)
    if breaks:
        estimator[-1].coef_[:] = [1e306, 0.0, 0.0, 0.0]
    if task == "multiclass":
        classes = [str(c) for c in estimator.classes_]
    probe = rows[:5]
    if task == "regression":
        answers = estimator.predict(matrix[:5]).reshape(-1, 1)
    else:
        answers = estimator.predict_proba(matrix[:5])
        answers = answers[:, 1:2] if task == "binary" else answers
    content = dump(estimator)
    fields = {f: getattr(blank, f) for f in Manifest.__struct_fields__} | {
        "classes": classes,
        "artifact": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
        "probe_rows": probe,
        "probe_answers": answers.tolist(),
    }
    artifacts = Artifacts(workspace.artifacts, workspace.keys)
    digest = artifacts.seal(content, Manifest(**(fields | changed)))
    ledger = Ledger(workspace.ledger)
    with ledger.change(ENGINE, "train", model, now=NOW, wall=NOW) as change:
        version = change.add_version("r1", "2013-07-01T00:00:00Z")
        safe = bool(changed.get("safe_mode"))
        change.seal_version(version, digest, "2013-01-01", "2013-03-01", safe_mode=safe)
    ledger.close()
    return version


def set_roles(workspace: Workspace, model: str, **fields: Any) -> int:
    """Move the roles of a model in one transaction and return the new generation."""
    ledger = Ledger(workspace.ledger)
    with ledger.change(ENGINE, "test", model, now=NOW, wall=NOW) as change:
        generation = change.roles.generation + 1
        change.set_roles(Roles(generation=generation, **fields))
    ledger.close()
    return generation


class Service:
    """A real serving process of a workspace; `first` is run before it, to lower a limit."""

    def __init__(self, workspace: Workspace, seed: int | None = None, first: str = "") -> None:
        self.workspace = workspace
        self.link = ServingLink(workspace.serving_socket)
        self.errors = workspace.root / "serving.log"
        command = [sys.executable, "-c", first + START, str(workspace.root), "127.0.0.1:0"]
        with self.errors.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *([str(seed)] if seed is not None else [])], stderr=log
            )
        self.url = f"http://{self._listening()}"

    def _listening(self) -> str:
        """Wait for the control socket; a process that ended says why."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(self.errors.read_text())
            try:
                return self.link.status().listen
            except UnavailableError:
                time.sleep(0.02)
        self.kill()
        raise AssertionError("the serving process did not come up in 120 s")

    def stop(self) -> int:
        """End it gracefully and return the exit code."""
        self.process.terminate()
        return self.process.wait(60)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.process.kill()
        self.process.wait(60)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three binary versions, one multiclass, one regression; v1 is champion everywhere."""
    workspace = Workspace(tmp_path_factory.mktemp("template"))
    workspace.config.write_text(SETTINGS)
    workspace.create([])
    for seed in range(3):
        seal(workspace, "late", "binary", seed)
    seal(workspace, "kind", "multiclass", 0)
    seal(workspace, "delay", "regression", 0)
    set_roles(workspace, "late", champion="v1", standby=("v2", "v3"), anchor="v1")
    set_roles(workspace, "kind", champion="v1", anchor="v1")
    set_roles(workspace, "delay", champion="v1", anchor="v1")
    return workspace


@pytest.fixture
def workspace(template: Workspace, tmp_path: Path) -> Workspace:
    """A workspace of this test's own."""
    shutil.copytree(template.root, tmp_path / "w")
    return Workspace(tmp_path / "w")


@pytest.fixture
def start(workspace: Workspace) -> Iterator[Callable[..., Service]]:
    """Start serving processes that end with the test."""
    started: list[Service] = []

    def begin(seed: int | None = None, first: str = "") -> Service:
        started.append(Service(workspace, seed, first))
        return started[-1]

    yield begin
    for service in started:
        if service.process.poll() is None:
            service.kill()


@pytest.fixture(scope="module")
def shared(template: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One serving process for tests that change nothing."""
    root = tmp_path_factory.mktemp("shared") / "w"
    shutil.copytree(template.root, root)
    service = Service(Workspace(root))
    yield service
    assert service.stop() == 0


@pytest.fixture
def client(shared: Service) -> Iterator[httpx.Client]:
    """An HTTP client of the shared process."""
    with httpx.Client(base_url=shared.url, timeout=30) as found:
        yield found
