"""A request from what was asked to answer: read, route, predict, record, count. Knows no HTTP."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from engine.artifacts import Manifest
from engine.clock import Clock, iso, parse_time
from engine.errors import CorruptError, InvalidError, UnavailableError, UnknownError
from engine.serving.asked import Asked, Places, Read, read, read_fitting
from engine.serving.batcher import Answers, Batcher, ShadowRows
from engine.serving.beside import Beside
from engine.serving.bodies import check_id
from engine.serving.router import routing_unit, takes_canary
from engine.serving.served import Served
from engine.serving.slots import Slot, Slots
from engine.serving.tally import Tally
from engine.settings import ModelSettings, Settings
from engine.spool import LabelRecord, PredictionRecord, ShadowRecord, Spool, encode
from engine.telemetry.prometheus import ServingMetrics
from engine.wire import Label, LabelsAnswer, LabelsRequest, Scalar

LABEL_WRITERS = 8
UNKNOWN_MODEL = ModelSettings(task="binary", target="target", time="time")


@dataclass(frozen=True, slots=True)
class Arm:
    """The rows of a request that one version answers, read by its contract."""

    served: Served
    role: str
    rows: Read


@dataclass(frozen=True, slots=True)
class Answered:
    """What one arm answers, with an entry a row in each list; `places` says which rows."""

    arm: Arm
    prediction_ids: list[str]
    answers: Answers
    decisions: list[bool | str | None]


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request of `size` rows, by the versions that gave it."""

    model: str
    generation: int
    logged: bool
    ids: list[str | None]
    parts: list[Answered]


class Answerer:
    """Answers predictions and takes labels."""

    def __init__(
        self,
        slots: Slots,
        batcher: Batcher,
        spool: Spool,
        tally: Tally,
        metrics: ServingMetrics,
        clock: Clock,
        boot: str,
        settings: Settings,
    ) -> None:
        self._slots = slots
        self._batcher = batcher
        self._spool = spool
        self._tally = tally
        self._metrics = metrics
        self._clock = clock
        self._boot = boot
        self.settings = settings  # replaced whole where cdml.toml changes
        self._count = 0
        # Threads of their own: a disk that hangs must not keep a rollback from being read.
        self._writers = ThreadPoolExecutor(LABEL_WRITERS, thread_name_prefix="labels")
        self._beside = Beside()

    def close(self) -> None:
        """End the threads that write labels."""
        self._writers.shutdown()

    def known(self, model: str) -> bool:
        """Say whether a model of that name exists here."""
        return model in self.settings.models or model in self._slots.table.known

    def names(self) -> list[str]:
        """Return every model that exists here."""
        return sorted({*self.settings.models, *self._slots.table.known})

    def slot(self, model: str) -> Slot:
        """Return who answers a model; UnknownError or UnavailableError where nobody does."""
        slot = self._slots.table.slots.get(model)
        if slot is not None:
            return slot
        if not self.known(model):
            known = ", ".join(self.names()) or "none yet"
            raise UnknownError(
                f'Looking for model "{model[:80]}": there is none. Known: {known}.',
                code="unknown_model",
                field="model",
            )
        if failed := ", ".join(self._slots.failed(model)):
            raise UnavailableError(
                f'Predicting with model "{model}": {failed} cannot be loaded, and no other version '
                f"serves it. Look into logs/serving.log, or go back with cdml rollback {model}.",
                code="not_loaded",
                field="model",
            )
        raise UnavailableError(
            f'Predicting with model "{model}": no version serves it yet. '
            f"Train and promote one: cdml train {model}",
            code="no_champion",
            field="model",
        )

    async def predict(self, model: str, asked: Asked, client: str) -> Reply:
        """Answer rows; the records are written before this returns."""
        began = self._clock.monotonic()
        settings = self.settings.models.get(model, UNKNOWN_MODEL)
        ids = self._prediction_ids(len(asked.ids))
        received = iso(self._clock.wall())
        now = iso(self._clock.now())
        times = [now if text is None else _time(text) for text in asked.times]
        slot, arms, answers = await self._current(model, asked, client, ids, settings)
        parts = [
            Answered(
                arm,
                [ids[at] for at in arm.rows.places],
                found,
                _decisions(arm.served.manifest, found),
            )
            for arm, found in zip(arms, answers, strict=True)
        ]
        elapsed = self._clock.monotonic() - began
        record = _Recorder(model, received, client, slot.generation, elapsed, asked.ids, times)
        written = [self._spool.append(encode(record.of(part))) for part in parts]
        logged = all(written)
        if not logged and self.settings.serving.log_full == "refuse":
            raise _unlogged(f"{len(ids)} rows of {model}")
        flag_nulls = settings.contract == "flag"
        for part in parts:
            if slot.shadow is not None:
                places = part.arm.rows.places
                self._batcher.shadow(ShadowRows(slot.shadow, asked, places, ids, flag_nulls))
            self._counted(slot, part.arm, elapsed)
        return Reply(model, slot.generation, logged, asked.ids, parts)

    async def labels(self, model: str, request: LabelsRequest, source: str = "") -> LabelsAnswer:
        """Take labels; returns only after fdatasync, UnavailableError where that failed."""
        if not self.known(model):
            self.slot(model)
        slot = self._slots.table.slots.get(model)
        manifest = slot.champion.manifest if slot else None
        labels = [_checked(label, manifest) for label in request.labels]
        payload = encode(LabelRecord(model, iso(self._clock.wall()), labels, source))
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(self._writers, self._spool.append_durable, payload):
            raise _unlogged(f"{len(labels)} labels of {model}")
        return LabelsAnswer(model, len(labels))

    def shadow_scored(self, served: Served, prediction_ids: list[str], answers: Answers) -> None:
        """Write what a shadow would have answered. Called by the model thread."""
        received = iso(self._clock.wall())
        record = ShadowRecord(served.model, received, served.version, prediction_ids, answers)
        self._spool.append(encode(record))

    def _prediction_ids(self, size: int) -> list[str]:
        first = self._count + 1
        self._count += size
        return [f"{self._boot}-{number:x}" for number in range(first, first + size)]

    async def _current(
        self, model: str, asked: Asked, client: str, ids: list[str], settings: ModelSettings
    ) -> tuple[Slot, list[Arm], list[Answers]]:
        """Predict by the versions of the present generation.

        Where the generation changed meanwhile, the rows are answered anew: once a change is
        acknowledged no answer by what was left follows, however long that one takes.
        """
        slot = self.slot(model)
        while True:
            arms = await self._arms(slot, asked, client, ids, settings)
            waiting = [self._batcher.answer(arm.served, arm.rows.matrix) for arm in arms]
            found = [await _outcome(future) for future in waiting]
            answers = [one for one in found if not isinstance(one, Exception)]
            now = self.slot(model)
            if now.generation != slot.generation:
                slot = now
            elif len(answers) == len(arms):
                return slot, arms, answers
            else:
                slot = self._without_canary(slot, arms, found)

    def _without_canary(
        self, slot: Slot, arms: list[Arm], found: Sequence[Answers | Exception]
    ) -> Slot:
        """Count what failed; the champion answers for a canary that cannot, but not for itself."""
        for arm, fault in zip(arms, found, strict=True):
            if isinstance(fault, Exception):
                size = len(arm.rows.places)
                self._tally.erred(slot.model, slot.generation, arm.served.version, size)
                if arm.role != "canary":
                    raise fault
        return replace(slot, canary=None)

    async def _arms(
        self, slot: Slot, asked: Asked, client: str, ids: list[str], settings: ModelSettings
    ) -> list[Arm]:
        flag_nulls = settings.contract == "flag"
        arms: list[Arm] = []
        mine: Sequence[int] = range(len(ids))
        if slot.canary is not None:
            unit = settings.rollout.unit
            chosen = [
                at
                for at in mine
                if takes_canary(slot.roles, routing_unit(unit, client, asked, at, ids[at]))
            ]
            rows = await self._canary_rows(slot, slot.canary, asked, chosen, flag_nulls=flag_nulls)
            if rows is not None and rows.places:
                arms.append(Arm(slot.canary, "canary", rows))
                taken = set(rows.places)
                mine = [at for at in mine if at not in taken]
        if mine:
            try:
                rows = await self._read(slot.champion, asked, mine, flag_nulls=flag_nulls)
            except InvalidError:
                await self._refused(slot, asked, mine, flag_nulls=flag_nulls)
                raise
            except CorruptError:
                self._tally.erred(slot.model, slot.generation, slot.champion.version, len(mine))
                raise
            arms.append(Arm(slot.champion, _role(slot), rows))
        return arms

    async def _canary_rows(
        self, slot: Slot, canary: Served, asked: Asked, chosen: Places, *, flag_nulls: bool
    ) -> Read | None:
        """Return the rows that a canary takes; what it does not is the champion's to answer."""
        try:
            return await self._read(canary, asked, chosen, flag_nulls=flag_nulls, how=read_fitting)
        except CorruptError:
            self._tally.erred(slot.model, slot.generation, canary.version, len(chosen))
            return None

    async def _read(
        self,
        served: Served,
        asked: Asked,
        places: Places,
        *,
        flag_nulls: bool,
        how: Callable[..., Read] = read,
    ) -> Read:
        """Read rows by a version's contract; a transformation runs beside the event loop."""
        if not served.transforms:
            return how(asked, served.contract, places, flag_nulls=flag_nulls)
        call = partial(how, asked, served.contract, places, flag_nulls=flag_nulls)
        return await self._beside.run(call)

    async def _refused(
        self, slot: Slot, asked: Asked, places: Sequence[int], *, flag_nulls: bool
    ) -> None:
        """Count what the champion's contract refused, and which standby would have taken it."""
        takers = []
        for other in self._slots.standby(slot):
            with contextlib.suppress(InvalidError, CorruptError):
                await self._read(other, asked, places, flag_nulls=flag_nulls)
                takers.append(other.version)
        champion = slot.champion.version
        self._tally.refused(slot.model, slot.generation, champion, len(places), takers)

    def _counted(self, slot: Slot, arm: Arm, elapsed: float) -> None:
        version, n = arm.served.version, len(arm.rows.places)
        self._metrics.answered(slot.model, version, arm.role, n, elapsed)
        self._tally.answered(slot.model, slot.generation, version, n, elapsed * 1000.0)
        for flags in arm.rows.flags.values():
            self._metrics.flagged(slot.model, flags)


def _role(slot: Slot) -> str:
    """Return as what the champion answers: as itself, or a standby in its place."""
    if slot.champion.manifest.safe_mode:
        return "safe_mode"
    return "champion" if slot.champion.version == slot.roles.champion else "standby"


async def _outcome(future: "asyncio.Future[Answers]") -> Answers | Exception:
    try:
        return await future
    except Exception as e:  # noqa: BLE001 - whoever asked decides what a failed version means
        return e


@dataclass(frozen=True, slots=True)
class _Recorder:
    """What the log records of one request have in common."""

    model: str
    received: str
    client: str
    generation: int
    elapsed_s: float
    ids: list[str | None]
    times: list[str]

    def of(self, part: Answered) -> PredictionRecord:
        """Return the record of what one arm answered."""
        rows = part.arm.rows
        return PredictionRecord(
            model=self.model,
            received=self.received,
            client=self.client,
            generation=self.generation,
            version=part.arm.served.version,
            role=part.arm.role,
            latency_ms=round(self.elapsed_s * 1000.0, 3),
            prediction_ids=part.prediction_ids,
            ids=[self.ids[at] for at in rows.places],
            times=[self.times[at] for at in rows.places],
            features=rows.columns,
            answers=part.answers,
            decisions=part.decisions,
            flags=rows.flags,
        )


def _decisions(manifest: Manifest, answers: Answers) -> list[bool | str | None]:
    if manifest.task == "binary":
        return [answer[0] >= manifest.threshold for answer in answers]
    if manifest.task == "multiclass":
        return [manifest.classes[answer.index(max(answer))] for answer in answers]
    return [None] * len(answers)


def _unlogged(what: str) -> UnavailableError:
    return UnavailableError(
        f"Writing {what} to the log: the disk did not take them. "
        "Free space or look at the disk, then send the same again.",
        code="log_unavailable",
    )


def _time(text: str) -> str:
    """Return a row's time in UTC; InvalidError names the field."""
    try:
        return iso(parse_time(text))
    except (InvalidError, OverflowError):
        raise InvalidError(
            f'Reading "ts": "{text[:40]}" is not ISO 8601. Write it like 2013-07-01T14:05:00Z.',
            code="bad_time",
            field="ts",
        ) from None


def _checked(label: Label, manifest: Manifest | None) -> Label:
    """Return a label with its time in UTC; InvalidError where its value is none of the task.

    Another class of a multiclass target is kept: the world may have made a new one.
    """
    check_id(label.id, "id")
    value, fits = label.value, True
    task = manifest.task if manifest else ""
    if manifest is not None and task == "binary":
        fits = value in (True, False) or value is None or value in manifest.classes
    elif task == "regression":
        fits = value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    if not fits or _too_large(value):
        raise InvalidError(
            f'Reading the label of "{label.id[:80]}": {value!r:.40} is no {task} outcome. '
            f"Send {'true or false' if task == 'binary' else 'a number'}, or null for never.",
            code="wrong_type",
            field="value",
        )
    return Label(label.id, _time(label.ts), value)


def _too_large(value: Scalar) -> bool:
    return isinstance(value, int) and not -(2**63) <= value < 2**63  # as the log keeps it
