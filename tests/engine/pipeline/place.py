"""A real workspace in a temporary folder, on a clock of the test, with serving in this process."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from engine.artifacts import Artifacts, Manifest, ManifestFeature, dump
from engine.domain.lifecycle import Event
from engine.errors import CorruptError
from engine.ledger.change import ENGINE, Actor
from engine.ledger.ledger import Ledger
from engine.pipeline.promote import promote
from engine.pipeline.site import Site
from engine.settings import load
from engine.store import labels, predictions
from engine.store.connection import Store
from engine.store.labels import LabelRow
from engine.store.predictions import Block
from engine.wire import Change, EventRow, GateReport
from engine.workspace import Workspace

WIND = ManifestFeature("wind", "numeric", nullable=True, low=0.0, high=9.0)
START = datetime(2024, 3, 1, tzinfo=UTC)
PERSON = Actor("human", "ada", 1000, 7)
ROBOT = Actor("guardrail", "rollout")
SETTINGS = """
[models.late]
task = "binary"
recipe = "linear"
target = "late"
time = "t"
id = "id"
label_maturity = "1d"
[models.late.train]
seeds = 1
[models.late.gate]
holdout = "3d"
[models.late.rollout]
shadow = { rows = 100 }
[models.late.rollout.proven]
hours = 24
requests = 100
labels = 50
[models.late.kpi.cost]
sql = "avg(case when decision <> label then 1 else 0 end)"
direction = "minimize"
limit = 0.5
[models.late.monitor]
window = "7d"
metric_limit = 0.8
"""


class TestClock:
    """A clock that moves when the test says so; decision time and wall are one."""

    __test__ = False
    simulated = False

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def wall(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def passes(self, **length: float) -> None:
        self.time += timedelta(**length)


class InProcess:
    """Serving without a process: it loads what the ledger names and answers from it."""

    def __init__(self, ledger: Ledger, artifacts: Artifacts) -> None:
        self._ledger = ledger
        self._artifacts = artifacts
        self.behind = 0
        self.counted: dict[str, tuple[int, int]] = {}
        self.refused: dict[str, int] = {}
        self.spared: dict[str, int] = {}
        self.broken: set[str] = set()

    def sync(self, model: str | None = None) -> Mapping[str, int]:
        return {m: g - self.behind for m, g in self._ledger.generations().items()}

    def probe(self, model: str, version: str, rows: Sequence[Mapping[str, Any]]) -> Any:
        loaded = self._artifacts.load(self._ledger.version(model, version).manifest or "")
        if version in self.broken:
            raise CorruptError(f"Predicting with {version}: a test broke it.", code="bad_answer")
        return loaded.answers(loaded.rows_matrix(rows)).tolist()

    def loaded(self, model: str) -> Sequence[str]:
        return self._ledger.roles(model).loaded()

    def p95_ms(self, model: str) -> Mapping[str, float]:
        return {}

    def memory(self, model: str) -> Mapping[str, int]:
        return {}

    def tallies(self, model: str) -> Mapping[str, tuple[int, int]]:
        return dict(self.counted)

    def refusals(self, model: str) -> tuple[Mapping[str, int], Mapping[str, int]]:
        return self.refused, self.spared


class Place(Site):
    """A site with what a test needs besides."""

    clock: TestClock
    serving: InProcess

    @classmethod
    def made(cls, root: Path, settings: str = SETTINGS) -> "Place":
        root.mkdir(exist_ok=True)
        workspace = Workspace(root)
        workspace.config.write_text(settings, encoding="utf-8")
        read = load(workspace.config)
        workspace.create(list(read.models))
        ledger = Ledger(workspace.ledger)
        artifacts = Artifacts(workspace.artifacts, workspace.keys)
        told: list[EventRow] = []
        store = Store(workspace.store, workspace.batches)
        serving = InProcess(ledger, artifacts)
        return cls(
            workspace, read, ledger, artifacts, TestClock(), serving, told.append, store, seed=1
        )

    def close(self) -> None:
        self.store.close()
        self.ledger.close()

    def told_of(self, kind: str) -> list[str]:
        return [e.text for e in self.ledger.events(limit=1000) if e.kind == kind]

    def drop(self, name: str, content: str | bytes) -> Path:
        """Put a file into the drop folder."""
        path = self.workspace.incoming("late") / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def version(
        self,
        *events: Event,
        bias: float = 0.5,
        safe_mode: bool = False,
        against: str | None = None,
        beside: str | None = None,
        features: Sequence[ManifestFeature] = (WIND,),
        packages: Mapping[str, str] = MappingProxyType({}),
        trained: tuple[str, str] = ("2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"),
        batches: Sequence[str] = (),
        without: Sequence[tuple[str, str]] = (),
    ) -> str:
        """Seal and register a version that always answers `bias`, then let things happen to it."""
        from sklearn.dummy import DummyClassifier

        number = len(self.ledger.versions("late"))
        ones = round(bias * 100)
        estimator = DummyClassifier().fit(np.zeros((100, 1)), [1] * ones + [0] * (100 - ones))
        content = dump(estimator)
        manifest = Manifest(
            "late", "binary", "linear", "late", "log_loss",
            list(features),
            ["false", "true"], 0.5, safe_mode, hashlib.sha256(content).hexdigest(), len(content),
            *trained, 100, list(batches), "all", number, None,
            dict(packages),
            "2024-03-01T00:00:00Z", "r1", [{features[0].name: 1.0}], [[bias]],
            without=list(without),
        )  # fmt: skip
        name = self.artifacts.seal(content, manifest)
        now = self.clock.now()
        with self.ledger.change(ENGINE, "register", "late", now=now, wall=now) as change:
            version = change.add_version("r1", manifest.created_at, beside=beside)
            change.seal_version(
                version, name, manifest.trained_from, manifest.trained_to, safe_mode=safe_mode
            )
            for event in events:
                change.happened(version, event)
            report = GateReport(
                "pass", against or change.roles.champion, None, None, 100, [], [], 0.4
            )
            change.judge(version, report)
        return version

    def blessed(self, bias: float = 0.5, against: str | None = None) -> str:
        """Return a version that passed its gate."""
        return self.version(Event.VALIDATION_BEGAN, Event.GATE_PASSED, bias=bias, against=against)

    def champions(self, *biases: float) -> list[str]:
        """Promote one blessed version after the other, by a person, ten minutes apart."""
        made = []
        for bias in biases:
            made.append(self.blessed(bias))
            promote(self, "late", PERSON, Change(f"made {made[-1]}", to=made[-1]))
            self.clock.passes(minutes=10)
        return made

    def answered(
        self, version: str, shadow: str | None = None, *, n: int = 120, days: float = 3.0,
        late: float = 0.3, score: float = 0.5, shadow_score: float = 0.5, wind: float = 5.0,
        features: str | None = None,
    ) -> None:  # fmt: skip
        """Store n answers over the last days, labelled at once, a share of them late."""
        tag = self.store.changes
        begin = self.clock.now() - timedelta(days=days)
        rows: list[Any] = []
        shadows, known = [], []
        for at in range(n):
            ts = (begin + timedelta(days=days) * at / n).replace(tzinfo=None).isoformat()
            name = f"{tag}-{at}"
            decision = "true" if score >= 0.5 else "false"
            rows.append(
                ("late", name, name, ts, ts, None, 1, version, "champion",
                 features or f'{{"wind":{wind + at % 7}}}', f"[{score}]", decision, "", 1.0)
            )  # fmt: skip
            value = "true" if at * 7919 % 1000 < late * 1000 else "false"
            known.append(LabelRow("late", name, ts, value, ts))
            if shadow:
                shadows.append(("late", shadow, name, f"[{shadow_score}]"))
        predictions.load(self.store, Block(rows, shadows, [], {}))
        labels.add(self.store, known)


def roles(place: Place) -> Any:
    """Return the roles of the only model."""
    return place.ledger.roles("late")


def csv(first: int = 1, n: int = 600, *, start: datetime = START - timedelta(days=30)) -> str:
    """Return rows an hour apart in which wind and kind say much of who is late."""
    rng = np.random.default_rng(first)
    lines = ["id,t,wind,kind,windy,late"]
    for at in range(n):
        wind = float(rng.normal(10, 4))
        kind = str(rng.choice(["a", "b", "c"]))
        late = rng.random() < (0.9 if wind > 12 or kind == "c" else 0.1)
        t = (start + timedelta(hours=at)).replace(tzinfo=None).isoformat()
        lines.append(f"{first}-{at},{t},{wind:.3f},{kind},{wind > 12},{late}")
    text = "\n".join(lines) + "\n"
    return text.replace("True", "true").replace("False", "false")
