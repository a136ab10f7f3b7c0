"""A request from wire value to answer: check, route, predict, record, count. Knows no HTTP."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from engine.artifacts import Manifest
from engine.clock import Clock, iso, parse_time
from engine.errors import InvalidError, UnavailableError, UnknownError
from engine.serving.batcher import Answers, Batcher, ShadowRows
from engine.serving.bodies import check_id
from engine.serving.router import routing_unit, takes_canary
from engine.serving.slots import Served, Slot, Slots, Table
from engine.serving.tally import Tally
from engine.spool import LabelRecord, PredictionRecord, RowRecord, ShadowRecord, Spool, encode
from engine.telemetry.prometheus import ServingMetrics
from engine.wire import (
    Label,
    LabelsAnswer,
    LabelsRequest,
    PredictAnswer,
    Prediction,
    PredictRequest,
    PredictRow,
    Scalar,
)

LABEL_WRITERS = 8


@dataclass(frozen=True, slots=True)
class _Routed:
    """One row, checked by the contract of the version that answers it."""

    row: PredictRow
    ts: str
    prediction_id: str
    served: Served
    role: str
    flags: list[str]


class Answerer:
    """Answers predictions and takes labels. `units` is what each model's rows are routed by."""

    def __init__(
        self,
        slots: Slots,
        batcher: Batcher,
        spool: Spool,
        tally: Tally,
        metrics: ServingMetrics,
        clock: Clock,
        boot: str,
        units: Mapping[str, str],
    ) -> None:
        self._slots = slots
        self._batcher = batcher
        self._spool = spool
        self._tally = tally
        self._metrics = metrics
        self._clock = clock
        self._boot = boot
        self._units = units
        self._count = 0
        self._in_flight: Counter[int] = Counter()
        self._left = asyncio.Event()
        # Threads of their own: a disk that hangs must not keep a rollback from being read.
        self._writers = ThreadPoolExecutor(LABEL_WRITERS, thread_name_prefix="labels")

    def close(self) -> None:
        """End the threads that write labels."""
        self._writers.shutdown()

    def known(self, model: str) -> bool:
        """Say whether a model of that name exists here."""
        return model in self._units or model in self._slots.table.known

    def names(self) -> list[str]:
        """Return every model that exists here."""
        return sorted({*self._units, *self._slots.table.known})

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
        raise UnavailableError(
            f'Predicting with model "{model}": no version serves it yet. '
            f"Train and promote one: cdml train {model}",
            code="no_champion",
            field="model",
        )

    async def predict(self, model: str, request: PredictRequest, client: str) -> PredictAnswer:
        """Answer rows; the records are written before this returns."""
        began = self._clock.monotonic()
        table = self._slots.table
        slot = self.slot(model)
        self._in_flight[table.number] += 1
        try:
            routed = [self._route(slot, row, client) for row in request.rows]
            answers = await self._run(routed)
        finally:
            self._leave(table.number)
        elapsed = self._clock.monotonic() - began
        rows = [_recorded(r, a) for r, a in zip(routed, answers, strict=True)]
        logged = self._spool.append(
            encode(
                PredictionRecord(
                    model,
                    iso(self._clock.wall()),
                    client,
                    slot.generation,
                    round(elapsed * 1000.0, 3),
                    rows,
                )
            )
        )
        if slot.shadow is not None:
            self._copy(slot.shadow, model, routed)
        self._counted(slot, routed, elapsed)
        predictions = [_prediction(r, a) for r, a in zip(routed, rows, strict=True)]
        return PredictAnswer(model, slot.generation, logged, predictions)

    async def labels(self, model: str, request: LabelsRequest) -> LabelsAnswer:
        """Take labels; returns only after fdatasync, UnavailableError where that failed."""
        if not self.known(model):
            self.slot(model)
        slot = self._slots.table.slots.get(model)
        manifest = slot.champion.loaded.manifest if slot else None
        labels = [_checked(label, manifest) for label in request.labels]
        payload = encode(LabelRecord(model, iso(self._clock.wall()), labels))
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(self._writers, self._spool.append_durable, payload):
            raise UnavailableError(
                f"Writing {len(labels)} labels of {model} to the log: the disk did not take them. "
                "Free space or look at the disk, then send the same labels again.",
                code="log_unavailable",
            )
        return LabelsAnswer(model, len(labels))

    async def settled(self, table: Table, timeout_s: float = 1.0) -> None:
        """Wait until no request routed by an older table is unanswered, at most `timeout_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while any(number < table.number for number in self._in_flight):
                    self._left.clear()
                    await self._left.wait()

    def shadow_scored(self, shadow: ShadowRows, answers: Answers) -> None:
        """Write what a shadow would have answered. Called by the model thread."""
        received = iso(self._clock.wall())
        version = shadow.served.version
        self._spool.append(
            encode(ShadowRecord(shadow.model, received, version, shadow.prediction_ids, answers))
        )

    def _leave(self, number: int) -> None:
        self._in_flight[number] -= 1
        if not self._in_flight[number]:
            del self._in_flight[number]
            self._left.set()

    def _route(self, slot: Slot, row: PredictRow, client: str) -> _Routed:
        ts = iso(self._clock.now()) if row.ts is None else _time(row.ts)
        self._count += 1
        prediction_id = f"{self._boot}-{self._count:x}"
        if slot.canary is not None:
            unit = routing_unit(
                self._units.get(slot.model, "client"), client, row.id, row.features, prediction_id
            )
            if takes_canary(slot.roles, unit):
                try:
                    flags = _check(slot.canary, row.features)
                    return _Routed(row, ts, prediction_id, slot.canary, "canary", flags)
                except InvalidError:
                    # What the champion accepts is never refused because a canary would.
                    pass
        champion = slot.champion
        role = "safe_mode" if champion.loaded.manifest.safe_mode else "champion"
        return _Routed(row, ts, prediction_id, champion, role, _check(champion, row.features))

    async def _run(self, routed: list[_Routed]) -> Answers:
        """Predict, each row by its version, and put the answers back in order."""
        places: dict[int, list[int]] = {}
        for place, one in enumerate(routed):
            places.setdefault(id(one.served), []).append(place)
        pending = [
            (
                mine,
                self._batcher.answer(routed[mine[0]].served, [_features(routed[p]) for p in mine]),
            )
            for mine in places.values()
        ]
        answers: Answers = [[] for _ in routed]
        found = await asyncio.gather(*(future for _, future in pending))
        for (mine, _), batch in zip(pending, found, strict=True):
            for place, answer in zip(mine, batch, strict=True):
                answers[place] = answer
        return answers

    def _copy(self, shadow: Served, model: str, routed: list[_Routed]) -> None:
        """Queue the rows that the shadow's contract accepts."""
        fit = [r for r in routed if _fits(shadow, r.row.features)]
        self._batcher.shadow_dropped += len(routed) - len(fit)
        if fit:
            ids = [r.prediction_id for r in fit]
            self._batcher.shadow(ShadowRows(shadow, model, ids, [_features(r) for r in fit]))

    def _counted(self, slot: Slot, routed: list[_Routed], elapsed: float) -> None:
        for (version, role), n in Counter((r.served.version, r.role) for r in routed).items():
            self._metrics.answered(slot.model, version, role, n, elapsed)
            self._tally.answered(slot.model, slot.generation, version, n, elapsed * 1000.0)


def _features(routed: _Routed) -> dict[str, Scalar]:
    return routed.row.features


def _check(served: Served, features: Mapping[str, Scalar]) -> list[str]:
    try:
        return served.loaded.schema.check(cast("dict[str, object]", features))
    except OverflowError:
        raise InvalidError(
            "Reading a row: a number is too large for a 64-bit float. Send a smaller one, or null.",
            code="wrong_type",
            field=next((k for k, v in features.items() if _too_large(v)), None),
        ) from None


def _too_large(value: Scalar) -> bool:
    return isinstance(value, int) and not -(2**63) <= value < 2**63  # as the log keeps it


def _fits(served: Served, features: Mapping[str, Scalar]) -> bool:
    try:
        _check(served, features)
    except InvalidError:
        return False
    return True


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


def _recorded(routed: _Routed, answer: list[float]) -> RowRecord:
    manifest = routed.served.loaded.manifest
    decision: bool | str | None = None
    if manifest.task == "binary":
        decision = answer[0] >= manifest.threshold
    elif manifest.task == "multiclass":
        decision = manifest.classes[answer.index(max(answer))]
    return RowRecord(
        routed.prediction_id,
        routed.row.id,
        routed.ts,
        routed.served.version,
        routed.role,
        routed.row.features,
        answer,
        decision,
        routed.flags,
    )


def _prediction(routed: _Routed, record: RowRecord) -> Prediction:
    manifest = routed.served.loaded.manifest
    task, answer = manifest.task, record.answer
    return Prediction(
        record.id,
        record.version,
        record.prediction_id,
        score=answer[0] if task == "binary" else None,
        probabilities=(
            dict(zip(manifest.classes, answer, strict=True)) if task == "multiclass" else None
        ),
        value=answer[0] if task == "regression" else None,
        decision=record.decision,
        safe_mode=manifest.safe_mode,
        flags=record.flags,
    )


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
