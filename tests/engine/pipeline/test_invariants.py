"""Ten thousand short histories of operations with crashes: the invariants of delivery hold in each.

The real ledger and the real verbs; only the files of versions are a stand-in. A crash comes at any
statement of any operation; then the ledger is opened anew, as an engine that starts would.
"""

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.artifacts import Artifacts, Manifest
from engine.domain import roles as moves
from engine.domain.lifecycle import Event, Fitness
from engine.domain.locks import EVERYWHERE, stopped_by
from engine.domain.roles import Roles
from engine.errors import CdmlError
from engine.ledger.change import ENGINE
from engine.ledger.ledger import Ledger
from engine.pipeline import locks, rollout, taints
from engine.pipeline.promote import GREEN, promote
from engine.pipeline.rollback import rollback
from engine.pipeline.site import Site
from engine.pipeline.undo import undo
from engine.settings import load
from engine.wire import AuditEntry, Change, GateReport, Lock, LockRequest, TaintRequest
from engine.workspace import Workspace
from tests.engine.pipeline.place import PERSON, ROBOT, SETTINGS, TestClock

PARTS, HISTORIES, STEPS = 8, 1250, 4
DAYS = [f"2024-01-{day:02}T00:00:00Z" for day in range(1, 11)]


class Crash(BaseException):
    """The process is gone: nothing of ours catches it."""


class Link:
    """A connection that breaks for good after a number of statements."""

    def __init__(self, db: Any) -> None:
        self.db, self.left = db, -1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.db, name)

    def execute(self, *asked: Any) -> Any:
        if self.left == 0:
            raise Crash
        self.left -= 1
        return self.db.execute(*asked)


class Sealed(Artifacts):
    """Manifests by name, every file whole."""

    def __init__(self) -> None:
        self.known: dict[str, Manifest] = {}

    def manifest(self, name: str) -> Manifest:
        return self.known[name]

    def intact(self, name: str, *, afresh: bool = False) -> bool:
        return True


class World:
    """One history: a ledger of its own, the verbs, and what was answered to which key."""

    def __init__(self, seed: int, folder: Path, site: Site) -> None:
        self.draw = random.Random(seed)
        self.path, self.site = folder / "ledger.sqlite", site
        for stale in folder.glob("ledger.sqlite*"):
            stale.unlink()
        shutil.copyfile(folder / ("led" if seed % 4 else "empty"), self.path)
        self.said: list[str] = []
        self.answers: dict[str, tuple[Callable[[], Any], Any]] = {}
        self.key = 0
        self.opened()

    def opened(self) -> None:
        """Open the ledger, as after a start."""
        site, ledger = self.site, Ledger(self.path)
        site.ledger, self.ledger = ledger, ledger
        self.link = Link(ledger._db)
        for part in (ledger, ledger.incidents, ledger.suppressed, ledger.taints):
            part._db = self.link  # type: ignore[assignment]

    def closed(self) -> None:
        self.link.db.close()

    def fresh(self) -> str:
        self.key += 1
        return f"k{self.key}"

    def any_version(self) -> str:
        return self.draw.choice(sorted(self.fitness()))

    def fitness(self) -> dict[str, Fitness]:
        """Return what the evidence says of each version."""
        rows = self.link.db.execute("select version, fitness from versions")
        return {version: Fitness(found) for version, found in rows}

    # -- operations

    def register(self) -> None:
        draw, first = self.draw, self.draw.randrange(8)
        trained = (DAYS[first], DAYS[draw.randrange(first + 1, 10)])
        standing = taints.spans(self.site, "late")
        without = standing if draw.random() < 0.5 else []
        gate = draw.choice([Event.GATE_PASSED] * 5 + [Event.GATE_FAILED, Event.GATE_INCONCLUSIVE])
        self.sealed(trained, without, gate)

    def sealed(self, trained: tuple[str, str], without: list[tuple[str, str]], gate: Event) -> None:
        """Register a version as training does, and let its gate say what it says."""
        manifest = BLANK(trained_from=trained[0], trained_to=trained[1], without=without)
        name = f"{len(self.site.artifacts.known):064x}"  # type: ignore[attr-defined]
        self.site.artifacts.known[name] = manifest  # type: ignore[attr-defined]
        now = self.site.clock.now()
        with self.ledger.change(ENGINE, "register", "late", now=now, wall=now) as change:
            version = change.add_version("r1", "2024-03-01T00:00:00Z")
            change.seal_version(version, name, *trained, safe_mode=False)
            if taints.landed(self.site, change, version, manifest) is None:
                change.happened(version, Event.VALIDATION_BEGAN)
                change.happened(version, gate)
                verdict = "pass" if gate is Event.GATE_PASSED else "fail"
                change.judge(
                    version,
                    GateReport(verdict, change.roles.champion, None, None, 9, [], ["r"], 0.4),
                )  # fmt: skip

    def promotion(self) -> Any:
        draw, to = self.draw, self.any_version()
        person = draw.random() < 0.6
        override = draw.sample([to, "freeze", "pin"], draw.randrange(4))
        asked = Change(self.fresh(), to=to, override=override, reason=draw.choice(["", "why"]))
        stale = self.ledger.roles("late").generation - (draw.random() < 0.2)
        fence = None if person else stale
        actor = PERSON if person else ROBOT
        return lambda: promote(self.site, "late", actor, asked, fence=fence)

    def back(self) -> Any:
        draw = self.draw
        to = self.any_version() if draw.random() < 0.3 else None
        expect = self.ledger.roles("late").champion if draw.random() < 0.4 else None
        override = ["pin"] if draw.random() < 0.5 else []
        asked = Change(
            self.fresh(), expect, to, "it is worse", attack=draw.random() < 0.2, override=override
        )
        actor = PERSON if draw.random() < 0.7 else ROBOT
        return lambda: rollback(self.site, "late", actor, asked)

    def undoing(self) -> Any:
        override = ["freeze"] if self.draw.random() < 0.5 else []
        asked = Change(self.fresh(), reason="a slip", override=override)
        return lambda: undo(self.site, "late", PERSON, asked)

    def locking(self) -> Any:
        verb = self.draw.choice(
            [locks.hold, locks.resume, locks.freeze, locks.thaw, locks.pin, locks.unpin]
        )
        whole = verb in (locks.freeze, locks.thaw) and self.draw.random() < 0.5
        asked = LockRequest(self.fresh())
        return lambda: verb(self.site, EVERYWHERE if whole else "late", PERSON, asked)

    def tainting(self) -> Any:
        draw, key = self.draw, self.fresh()
        standing = self.ledger.taints.standing("late")
        if standing and draw.random() < 0.5:
            asked = TaintRequest(key, lift=draw.choice(standing).number)
        elif draw.random() < 0.4:
            asked = TaintRequest(key, version=self.any_version())
        else:
            since = draw.randrange(9)
            asked = TaintRequest(key, DAYS[since], DAYS[draw.randrange(since + 1, 10)])
        return lambda: taints.taint(self.site, "late", PERSON, asked)

    def rolling(self) -> Any:
        roles, site = self.ledger.roles("late"), self.site
        match self.draw.randrange(3):
            case 0:
                version = self.any_version()
                if self.ledger.version("late", version).fitness is not Fitness.BLESSED:
                    return lambda: None
                return lambda: rollout.begin(site, "late", version) and None
            case 1:
                return lambda: rollout.stop(site, "late", ROBOT, "worse", key=self.fresh())
        return lambda: self._canary(roles)

    def _canary(self, roles: Roles) -> None:
        now = self.site.clock.now()
        if roles.shadow is None or locks.stops(self.site, "late", "canary", "canary"):
            return
        with self.ledger.change(ROBOT, "canary", "late", now=now, wall=now) as change:
            change.set_roles(moves.canarying(change.roles, roles.shadow, 10.0, "salt"))

    # -- one step, and what must be true after it

    def step(self) -> None:
        draw = self.draw
        kinds = [self.promotion] * 4 + [self.back] * 3 + [self.locking] * 3 + [self.tainting] * 2
        kinds += [self.rolling] * 2 + [self.undoing] * 2 + [self.again] * 2
        if draw.random() < 0.15 or not self.fitness():
            self.attempt("register", self.register, "")
        if not self.fitness():
            return
        kind = draw.choice(kinds)
        if draw.random() < 0.3:
            self.site.clock.passes(seconds=draw.choice([5, 90]))  # type: ignore[attr-defined]
        keyed = kind not in (self.again, self.rolling)
        self.attempt(kind.__name__, kind(), f"k{self.key}" if keyed else "")

    def again(self) -> Any:
        """Repeat a request that was answered: the same answer, and nothing happens."""
        if not self.answers:
            return lambda: None
        ask, answer = self.answers[self.draw.choice(sorted(self.answers))]
        before = self.ledger.audit_head()

        def repeated() -> None:
            assert ask() == answer, "another answer to the same key"
            assert self.ledger.audit_head() == before, "a repeated request changed something"

        return repeated

    def attempt(self, name: str, ask: Callable[[], Any], key: str) -> None:
        before, last = Seen(self), self.entries()
        self.link.left = self.draw.randrange(40) if self.draw.random() < 0.15 else -1
        outcome = "done"
        try:
            answer = ask()
            if key and getattr(answer, "changed", False):
                self.answers[key] = (ask, answer)
        except CdmlError as e:
            outcome = e.code
        except Crash:
            outcome = "crashed"
        self.said.append(f"{name} {outcome}")
        if outcome == "crashed":
            self.closed()
            self.opened()
        self.link.left = -1
        self.check(
            before, self.ledger.audit_entries(limit=n) if (n := self.entries() - last) else []
        )

    def entries(self) -> int:
        """Return how many entries the audit has."""
        found: int = self.link.db.execute("select count(*) from audit").fetchone()[0]
        return found

    def check(self, before: "Seen", entries: list[AuditEntry]) -> None:
        roles = self.ledger.roles("late")
        assert not (before.roles.champion and not roles.champion), "I1: no champion any more"
        assert roles.generation >= before.roles.generation, "the generation went back"
        assert roles == before.roles or roles.generation > before.roles.generation, "I3"
        fitness = self.fitness()
        assert roles.champion is None or roles.champion in fitness
        assert not {v for v in (roles.canary, roles.shadow, *roles.standby) if v and
                    fitness[v] is Fitness.TAINTED}, "I5: a tainted version has a role"  # fmt: skip
        for entry in entries:
            if entry.action == "promote" and entry.from_version is not None:
                self.promoted(before, entry)

    def promoted(self, before: "Seen", entry: AuditEntry) -> None:
        to, used = entry.to_version or "", entry.detail.get("overrides", [])
        person = entry.detail["actor"]["kind"] == "human"
        assert before.fitness[to] is not Fitness.TAINTED, "I5: tainted"
        assert to not in before.tainted, "I5: tainted by lineage"
        lock = stopped_by(before.locks, "promote", person=person)
        assert lock is None or (person and lock.kind == "freeze" and "freeze" in used), "I4: locked"
        if not person:
            assert before.fitness[to] in GREEN, "I5: automation took what was not fit"
            assert before.roles.generation == entry.generation_before, "I4: fenced"
            against = self.ledger.version("late", to).report
            former = to in before.roles.standby or before.fitness[to] is Fitness.PROVEN
            expired = against is None or against.against != before.roles.champion
            assert former or not expired, "I5: judged against another champion"

    def ending(self) -> None:
        """Check what must hold of the whole history, and that a way back is never barred."""
        for version in self.ledger.versions("late") if self.ledger.taints.standing("late") else []:
            reached = taints.of_version(self.site, "late", version.version) is not None
            assert not reached or version.fitness is Fitness.TAINTED, "a taint did not spread"
        left, generation = self.ledger.roles("late").champion, self.ledger.roles("late").generation
        asked = Change(self.fresh(), left, reason="3 a.m.", override=["pin"])
        try:
            answer = rollback(self.site, "late", PERSON, asked)
        except CdmlError as e:
            if e.code != "no_target":
                pytest.fail(f"I6: a rollback was refused: {e.message}")
            assert self.ledger.audit_fault() is None
            return
        roles = self.ledger.roles("late")
        assert (answer.from_, answer.to, roles.champion) == (left, roles.champion, answer.to)
        assert answer.to != left
        assert (roles.canary, roles.shadow, roles.canary_share_pct) == (None, None, 0.0)
        assert roles.generation == generation + 1
        assert "hold" in {k.kind for k in self.ledger.locks("late")}
        assert rollback(self.site, "late", PERSON, asked) == answer, "I12"
        plain = rollback(self.site, "late", PERSON, Change(self.fresh()))
        assert not plain.changed, "I12: a second press went further back"
        assert self.ledger.audit_fault() is None


class Seen:
    """What stood before an operation."""

    def __init__(self, world: World) -> None:
        ledger = world.ledger
        self.roles = ledger.roles("late")
        self.locks: list[Lock] = [*ledger.locks("late"), *ledger.locks(EVERYWHERE)]
        self.fitness = world.fitness()
        marks = ledger.taints.standing("late")
        self.tainted = {
            n.version for n in taints.lineages(world.site, "late")
            if taints.reaching(marks, n) is not None
        } if marks else set()  # fmt: skip


def BLANK(**changed: Any) -> Manifest:  # noqa: N802 - a constant with two holes
    """Return a manifest of no file."""
    plain = {
        "model": "late", "task": "binary", "recipe": "linear", "target": "late", "metric": "x",
        "features": [], "classes": [], "threshold": 0.5, "safe_mode": False, "artifact": "a" * 64,
        "size_bytes": 1, "trained_from": "", "trained_to": "", "rows": 9, "batches": [],
        "window": "all", "seed": 1, "noise_floor": None, "packages": {}, "created_at": "",
        "run": "r1", "probe_rows": [], "probe_answers": [],
    }  # fmt: skip
    return msgspec.convert({**plain, **changed}, type=Manifest)


class Quiet:
    """Serving that obeys at once."""

    def __init__(self) -> None:
        self.site: Any = None

    def sync(self, model: str | None = None) -> dict[str, int]:
        found: dict[str, int] = self.site.ledger.generations()
        return found

    def loaded(self, model: str) -> list[str]:
        return []

    def tallies(self, model: str) -> dict[str, tuple[int, int]]:
        return {}

    def refusals(self, model: str) -> tuple[dict[str, int], dict[str, int]]:
        return {}, {}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is one: what is tested is not the disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as made:
        yield Path(made)


@pytest.fixture
def site(folder: Path) -> Site:
    workspace = Workspace(folder / "box")
    workspace.root.mkdir()
    workspace.config.write_text(SETTINGS, encoding="utf-8")
    Ledger(folder / "empty").close()
    serving = Quiet()
    made = Site(
        workspace, load(workspace.config), None, Sealed(), TestClock(), serving,  # type: ignore[arg-type]
        lambda _: None, None, 1,  # type: ignore[arg-type]
    )  # fmt: skip
    serving.site = made
    world = World(0, folder, made)
    for number in (1, 2, 3):  # three champions, and a fourth that passed its gate
        world.sealed((DAYS[number], DAYS[number + 3]), [], Event.GATE_PASSED)
        asked = Change(f"made v{number}", to=f"v{number}")
        promote(made, "late", PERSON, asked)
        made.clock.passes(minutes=10)  # type: ignore[attr-defined]
    world.sealed((DAYS[0], DAYS[9]), [], Event.GATE_PASSED)
    world.closed()
    shutil.copyfile(world.path, folder / "led")
    return made


@pytest.mark.parametrize("part", range(PARTS))
def test_every_history_keeps_the_invariants(
    folder: Path, site: Site, part: int, record_property: Callable[[str, object], None]
) -> None:
    record_property("injected", HISTORIES)
    crashed = promoted = 0
    for seed in range(part * HISTORIES, (part + 1) * HISTORIES):
        world = World(seed, folder, site)
        try:
            for _ in range(STEPS):
                world.step()
            world.ending()
        except AssertionError as e:
            pytest.fail(f"history {seed}: {e}\n" + "\n".join(world.said))
        finally:
            world.closed()
        crashed += "crashed" in " ".join(world.said)
        promoted += "promotion done" in world.said
    # The histories are about something: many crash, most have a change of champion.
    assert crashed > HISTORIES / 8
    assert promoted > HISTORIES / 4
