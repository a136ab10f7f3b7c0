"""What the routes may ask for, in the engine's own terms: a front for pipeline and jobs."""

import http.client
import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import TypeVar

import anyio.to_thread
import msgspec
from litestar.datastructures import State

from engine import wire
from engine.api import run_log
from engine.api.conductor import Conductor
from engine.api.verbs import CHANGES, LOCKS
from engine.clock import Clock, SimulatedClock, iso, parse_time
from engine.errors import InvalidError, RefusedError, UnavailableError, UnknownError
from engine.ledger.change import Actor
from engine.ledger.ledger import Ledger
from engine.pipeline import (
    backups,
    compare,
    deeds,
    deliver_labels,
    overview,
    past,
    quarantine,
    reproduce,
    requests,
    schema,
    taints,
    validate,
)
from engine.pipeline.ingest import ingest
from engine.pipeline.measurement import ValidateResult
from engine.pipeline.site import Site
from engine.pipeline.training import TrainResult
from engine.store import intake

T = TypeVar("T")
PROBE_CLIENT = "cdml-probe"
EVENTS_SHOWN = 200
_NAME = re.compile(r"[^A-Za-z0-9._-]+")


class Desk:
    """One object behind all routes."""

    def __init__(self, site: Site, conductor: Conductor) -> None:
        self.site = site
        self._conductor = conductor
        self._submitting = Lock()

    @property
    def ledger(self) -> Ledger:
        """Return the ledger."""
        return self.site.ledger

    # -- looking

    def state(self, you: str, role: str, onlookers: list[wire.Onlooker]) -> wire.State:
        """Return one snapshot for the console."""
        site = self.site
        due = self._conductor.schedules()
        checks = {s.model: s.next_due for s in due if s.job == "monitor"}
        models = [
            overview.model_state(site, name, checks.get(name)) for name in site.settings.models
        ]
        return wire.State(
            workspace=site.settings.workspace.name,
            path=str(site.workspace.root),
            you=you,
            role=role,  # type: ignore[arg-type]
            engine=self._engine(site.clock),
            serving=self._conductor.serving_state(),
            models=models,
            jobs=self._conductor.runs(),
            schedules=due,
            events=site.ledger.events(limit=EVENTS_SHOWN),
            event_id=site.ledger.last_event(),
            consoles=len(onlookers),
            onlookers=onlookers,
            untold=self._conductor.untold(),
        )

    def state_then(
        self, you: str, role: str, onlookers: list[wire.Onlooker], moment: datetime
    ) -> wire.State:
        """Return the snapshot of a past moment; serving and schedules are not of it."""
        then = past.site_then(self.site, moment)
        try:
            return wire.State(
                workspace=then.settings.workspace.name,
                path=str(then.workspace.root),
                you=you,
                role=role,  # type: ignore[arg-type]
                engine=self._engine(then.clock),
                serving=wire.ServingState(False, None, "", 0, 0, 0, 0, None, None, None),
                models=past.model_states(then),
                jobs=past.run_rows(then),
                schedules=[],
                events=then.ledger.events(limit=EVENTS_SHOWN),
                event_id=then.ledger.last_event(),
                consoles=len(onlookers),
                onlookers=onlookers,
                past=True,
            )
        finally:
            then.ledger.close()

    def _engine(self, clock: Clock) -> wire.EngineState:
        c = self._conductor
        return wire.EngineState(
            c.pid,
            c.version,
            c.boot,
            c.started,
            iso(clock.now()),
            iso(clock.wall()),
            clock.simulated,
            "store_suspect" if self.site.suspect else "ready",
            self.site.suspect,
            self.site.workspace.lacking(),
        )

    def runs(self, limit: int) -> list[wire.JobRow]:
        """Return running and queued runs, and the newest of the finished ones."""
        return self._conductor.runs(limit)

    def run_log(self, run: str) -> wire.RunLog:
        """Return the end of what the process of a run wrote."""
        known = self._conductor.a_run(run)
        return run_log.tail(self.site.workspace.runs / known.id, known)

    def a_run(self, run: str) -> wire.JobRow:
        """Return one run."""
        return self._conductor.a_run(run)

    def status(self) -> wire.Status:
        """Return engine, serving and models in a few words."""
        serving = self._conductor.serving_state()
        models = [overview.model_status(self.site, m) for m in self.site.settings.models]
        wall = iso(self.site.clock.wall())
        up = "up" if serving.up else "down"
        lacking = self.site.workspace.lacking()
        untold = self._conductor.untold()
        return wire.Status("ready", up, models, wall, untold, serving.stands_in, lacking)

    def compare(self, model: str, a: str, b: str) -> wire.CompareAnswer:
        """Return two versions measured on the same rows."""
        inputs = compare.gather(self.site, model, a, b)
        found = self._conductor.measure(model, "validate", inputs, ValidateResult)
        return compare.answer(self.site, model, a, b, inputs, found)

    def reproduce(self, model: str, version: str) -> wire.Reproduction:
        """Return how a version comes out when it is made again from what was recorded."""
        inputs = reproduce.gather(self.site, model, version)
        found = self._conductor.measure(model, "train", inputs, TrainResult)
        return reproduce.compared(self.site, model, version, found)

    def validate(self, model: str, actor: Actor, asked: wire.RunRequest) -> wire.JobRow:
        """Queue the validation of a version that a person wants judged again."""
        if asked.version is None:
            raise InvalidError(
                f"Validating a version of {model}: none was named. Name one of cdml versions.",
                code="no_version",
                field="version",
            )
        self.site.model(model)
        validate.check_askable(self.site, model, asked.version)
        return self.submit(model, "validate", actor, asked)

    def proof(self, model: str, generation: int) -> wire.Proof:
        """Say who has answered since a generation began; without traffic, ask three probe rows."""
        self.site.model(model)
        champion = self.site.ledger.roles(model).champion or ""
        deadline = self.site.clock.monotonic() + 1.0
        source = "live"
        while True:
            found, by_version = self._conductor.answers(model)
            if found >= generation and by_version:
                break
            if self.site.clock.monotonic() > deadline:
                if source == "probe":
                    break
                source = "probe"
                deadline = self.site.clock.monotonic() + 1.0
                self._ask_probes(model, champion)
        proven = found == generation and by_version.get(champion, 0) > 0
        return wire.Proof(model, found, champion, by_version, source, proven)  # type: ignore[arg-type]

    def _ask_probes(self, model: str, champion: str) -> None:
        """Send three probe rows through the public port, as any client would."""
        version = self.site.ledger.version(model, champion)
        rows = self.site.artifacts.manifest(version.manifest or "").probe_rows[:3]
        body = json.dumps({"rows": [{"features": row} for row in rows]})
        host, _, port = self._conductor.serving_state().listen.rpartition(":")
        link = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=2.0)
        try:
            headers = {"content-type": "application/json", "x-client-id": PROBE_CLIENT}
            link.request("POST", f"/v1/models/{model}/predict", body, headers)
            link.getresponse().read()
        except OSError as e:
            raise UnavailableError(
                f"Proving who answers for {model}: the prediction port does not answer ({e}). "
                "Look with cdml status.",
                code="serving_unreachable",
            ) from e
        finally:
            link.close()

    # -- changing

    def change(self, verb: str, model: str, actor: Actor, asked: wire.Change) -> wire.ChangeAnswer:
        """Move who serves."""
        requests.check_key(self.site, verb, model, asked.idempotency_key, asked.to)
        return CHANGES[verb](self.site, model, actor, asked)

    def lock(self, verb: str, model: str, actor: Actor, asked: wire.LockRequest) -> wire.LockAnswer:
        """Set or lift a lock."""
        requests.check_key(self.site, verb, model, asked.idempotency_key)
        answer = LOCKS[verb](self.site, model, actor, asked)
        self._conductor.wake_due()
        return answer

    def taint(self, model: str, actor: Actor, asked: wire.TaintRequest) -> wire.TaintAnswer:
        """Taint something, or lift a taint."""
        verb = "taint" if asked.lift is None else "lift"
        requests.check_key(self.site, verb, model, asked.idempotency_key)
        return taints.taint(self.site, model, actor, asked)

    def quarantine(
        self, model: str, actor: Actor, asked: wire.QuarantineRequest
    ) -> wire.QuarantineAnswer:
        """Decide about a file that is set aside; accepted rows make a training due."""
        requests.check_key(self.site, "quarantine", model, asked.idempotency_key)
        answer = quarantine.decide(self.site, model, actor, asked)
        if answer.changed and answer.taken is not None:
            self._conductor.arrived(model)
        return answer

    def columns(self, model: str, actor: Actor, asked: wire.LockRequest) -> wire.SchemaAnswer:
        """Put the proposed columns of a model in force."""
        requests.check_key(self.site, "schema", model, asked.idempotency_key)
        return schema.approve(self.site, model, actor, asked)

    def submit(self, model: str, job: str, actor: Actor, asked: wire.RunRequest) -> wire.JobRow:
        """Queue a run for a person; asked again by the same key, it is the same run."""
        requests.check_key(self.site, job, model, asked.idempotency_key)
        with self._submitting:
            if (known := requests.run_of(self.site, asked.idempotency_key)) is not None:
                return self._conductor.a_run(known)
            why = f": {asked.reason}" if asked.reason else ""
            cause = f"operator {actor.name}{why}"
            row = self._conductor.submit(model, job, cause, asked.version)
            requests.record_run(self.site, actor, asked, row)
        return row

    def cancel(self, run: str, actor: Actor, asked: wire.RunRequest) -> wire.JobRow:
        """Cancel a run for a person; who did is recorded before anything ends."""
        row = self._conductor.a_run(run)
        requests.check_key(self.site, "cancel", row.model, asked.idempotency_key)
        with self._submitting:
            if requests.run_of(self.site, asked.idempotency_key) is not None:
                return self._conductor.a_run(run)
            self._conductor.check_cancel(run)
            cancelling = msgspec.structs.replace(row, job="cancel")
            requests.record_run(self.site, actor, asked, cancelling)
        self.site.tell("ACT", "cancel", row.model, f"{actor.name} cancelled {row.job} {run}")
        return self._conductor.cancel(run)

    async def upload(
        self,
        model: str,
        name: str,
        content: AsyncIterator[bytes],
        take: Callable[[str, Path], wire.UploadAnswer],
        actor: Actor,
    ) -> wire.UploadAnswer:
        """Receive a file whole under a name of our own, then take it in; the audit says whose."""
        self.site.model(model)
        safe = _NAME.sub("_", Path(name).name).lstrip(".")[-100:] or "upload"
        folder = self.site.workspace.incoming(model) / f".upload-{os.urandom(8).hex()}"
        part = folder / safe
        try:
            folder.mkdir()
            async with await anyio.open_file(part, "wb") as file:
                async for chunk in content:
                    await file.write(chunk)
        except BaseException as e:
            shutil.rmtree(folder, ignore_errors=True)
            if not isinstance(e, OSError):
                raise  # the sender broke off
            raise UnavailableError(
                f'Receiving "{safe}" for {model}: {e.strerror}. Nothing was taken in. '
                "Free disk space and send it again.",
                code="no_space",
            ) from e
        return await anyio.to_thread.run_sync(self._take, model, part, take, actor)

    def _take(
        self,
        model: str,
        path: Path,
        take: Callable[[str, Path], wire.UploadAnswer],
        actor: Actor,
    ) -> wire.UploadAnswer:
        deed = "upload" if take == self.take_file else "upload_labels"
        try:
            digest = intake.source_digest(path)
            deeds.record(self.site, actor, deed, model, file=path.name, sha256=digest)
            answer = take(model, path)
        finally:
            shutil.rmtree(path.parent, ignore_errors=True)
        return answer

    def take_file(self, model: str, path: Path) -> wire.UploadAnswer:
        """Take in a delivered table; accepted rows make a training due as a dropped file does."""
        answer = ingest(self.site, model, path)
        if answer.verdict.startswith("accepted"):
            self._conductor.arrived(model)
        return answer

    def take_labels(self, model: str, path: Path) -> wire.UploadAnswer:
        """Take in a file of labels."""
        return deliver_labels.deliver(self.site, model, path)

    def reload(self, actor: Actor) -> dict[str, str]:
        """Read cdml.toml again."""
        done = self._conductor.reload()
        digest = intake.source_digest(self.site.workspace.config)
        deeds.mention(self.site, actor, "reload", sha256=digest)
        self.site.tell("ACT", "reload", None, f"{actor.name}: {done}")
        return {"message": done}

    def back_up(self, actor: Actor) -> wire.BackupAnswer:
        """Copy the workspace, hot; one copy at a time."""
        deeds.mention(self.site, actor, "backup")
        return backups.made(self.site, actor.name)

    def stop(self, actor: Actor) -> dict[str, str]:
        """End the engine."""
        deeds.mention(self.site, actor, "stop")
        self.site.tell("ACT", "stop", None, f"{actor.name} stopped the engine")
        self._conductor.stop()
        return {"message": "stopping"}

    def move_clock(self, asked: wire.ClockRequest) -> wire.ClockAnswer:
        """Move a simulated clock; there is no such route with the machine's own clock."""
        if not isinstance(self.site.clock, SimulatedClock):
            raise UnknownError(
                "Moving the clock: this engine runs on the machine's clock.", code="no_such_route"
            )
        if parse_time(asked.now) < self.site.clock.now():
            raise RefusedError(
                f"Moving the clock to {asked.now}: it is {self.site.moment()} already, and it "
                "never goes back.",
                code="clock_back",
            )
        self._conductor.move(asked.now)
        return wire.ClockAnswer(self.site.moment())


def desk_of(state: State) -> Desk:
    """Return the desk that the application was made with."""
    found: Desk = state["desk"]
    return found


def site_of(state: State) -> Site:
    """Return the site that the application works on."""
    return desk_of(state).site
