"""One thread that runs estimators: a batch is what queued while the last one ran, without waiting.

Shadow rows are scored by the same thread when nobody waits for an answer.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Condition, Thread

import numpy as np
from numpy.typing import NDArray

from engine.errors import CorruptError
from engine.serving.asked import Asked, Places, read_fitting
from engine.serving.served import Served

_log = logging.getLogger("cdml.serving")
MAX_BATCH_ROWS = 2048
MAX_SHADOW_ROWS = 5000
SHADOW_STEP = 64

Matrix = NDArray[np.float64]
Answers = list[list[float]]


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """Rows of one request that one version answers, and who waits for them."""

    served: Served
    matrix: Matrix
    future: "asyncio.Future[Answers]"


@dataclass(frozen=True, slots=True, eq=False)
class ShadowRows:
    """Answered rows of a request that a shadow gets a copy of; `prediction_ids` is by place."""

    served: Served
    asked: Asked
    places: Places
    prediction_ids: list[str]
    flag_nulls: bool


class Batcher:
    """The model thread and its two queues. `merge=False` keeps each request its own batch."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_shadow: Callable[[Served, list[str], Answers], None],
        *,
        merge: bool = True,
    ) -> None:
        self._loop = loop
        self._on_shadow = on_shadow
        self._merge = merge
        self._live: deque[Wanted] = deque()
        self._shadow: deque[ShadowRows] = deque()
        self._shadow_rows = 0
        self._changed = Condition()
        self._closing = False
        self.shadow_dropped = 0
        self.shadow_failed = 0
        self._thread = Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def answer(self, served: Served, matrix: Matrix) -> "asyncio.Future[Answers]":
        """Queue rows for one version; the future gets one list of numbers a row."""
        wanted = Wanted(served, matrix, self._loop.create_future())
        with self._changed:
            self._live.append(wanted)
            self._changed.notify()
        return wanted.future

    def shadow(self, rows: ShadowRows) -> None:
        """Queue a copy for a shadow; where the queue is full it is dropped and counted."""
        with self._changed:
            if self._shadow_rows + len(rows.places) > MAX_SHADOW_ROWS:
                self.shadow_dropped += len(rows.places)
                return
            self._shadow.append(rows)
            self._shadow_rows += len(rows.places)
            self._changed.notify()

    def drain_shadow(self, timeout_s: float) -> bool:
        """Wait until no shadow row is queued or being scored."""
        with self._changed:
            return self._changed.wait_for(lambda: self._shadow_rows == 0, timeout_s)

    def close(self) -> None:
        """Answer what is queued, then end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._live or self._shadow or self._closing)
                batch = self._take()
                shadow = None if batch or not self._shadow else self._shadow.popleft()
                if not batch and shadow is None:
                    return
            if batch:
                self._answer_batch(batch)
            elif shadow is not None:
                self._score_shadow(shadow)

    def _take(self) -> list[Wanted]:
        batch: list[Wanted] = []
        rows = 0
        while self._live and (not batch or (self._merge and rows < MAX_BATCH_ROWS)):
            batch.append(self._live.popleft())
            rows += len(batch[-1].matrix)
        return batch

    def _answer_batch(self, batch: list[Wanted]) -> None:
        groups: dict[int, list[Wanted]] = {}
        for wanted in batch:
            groups.setdefault(id(wanted.served), []).append(wanted)
        done: list[tuple[asyncio.Future[Answers], Answers | Exception]] = []
        for group in groups.values():
            done += _answer_group(group)
        self._loop.call_soon_threadsafe(_deliver, done)

    def _score_shadow(self, shadow: ShadowRows) -> None:
        """Score in small steps, so that a live row never waits for a long copy."""
        step = len(shadow.places) if not self._merge else SHADOW_STEP
        head = replace(shadow, places=shadow.places[:step])
        rest = replace(shadow, places=shadow.places[step:])
        try:
            self._score(head)
        except Exception as e:  # noqa: BLE001 - polling worker: a shadow's fault is never a client's
            self.shadow_failed += len(head.places)
            ids = {"model": shadow.served.model, "version": shadow.served.version}
            _log.warning("a shadow failed", exc_info=e, extra=ids)
        with self._changed:
            if rest.places:
                self._shadow.appendleft(rest)
            self._shadow_rows -= len(head.places)
            self._changed.notify_all()

    def _score(self, shadow: ShadowRows) -> None:
        """Score the rows that the shadow's own contract accepts; the others are counted."""
        served = shadow.served
        fit = read_fitting(
            shadow.asked, served.contract, shadow.places, flag_nulls=shadow.flag_nulls
        )
        self.shadow_dropped += len(shadow.places) - len(fit.places)
        if fit.places:
            ids = [shadow.prediction_ids[at] for at in fit.places]
            self._on_shadow(served, ids, answers_of(served, fit.matrix))


def answers_of(served: Served, matrix: Matrix) -> Answers:
    """Run a version on rows; CorruptError where an answer is not a finite number."""
    answers = served.predict(matrix)
    if not np.isfinite(answers).all():
        raise CorruptError(
            f"Predicting with version {served.version}: its answer is not a finite number. "
            "No answer was given; roll back.",
            code="bad_answer",
        )
    found: Answers = answers.tolist()
    return found


def _answer_group(
    group: list[Wanted],
) -> list[tuple["asyncio.Future[Answers]", Answers | Exception]]:
    """Answer requests together; where that fails each alone, so that one cannot fail the others."""
    together = group[0].matrix if len(group) == 1 else np.concatenate([w.matrix for w in group])
    try:
        answers = answers_of(group[0].served, together)
    except Exception as e:  # noqa: BLE001 - polling worker: told to whoever waits, counted as 500
        if len(group) == 1:
            return [(group[0].future, e)]
        return [pair for wanted in group for pair in _answer_group([wanted])]
    done: list[tuple[asyncio.Future[Answers], Answers | Exception]] = []
    at = 0
    for wanted in group:
        done.append((wanted.future, answers[at : at + len(wanted.matrix)]))
        at += len(wanted.matrix)
    return done


def _deliver(done: list[tuple["asyncio.Future[Answers]", Answers | Exception]]) -> None:
    for future, found in done:
        if future.done():
            continue
        if isinstance(found, Exception):
            future.set_exception(found)
        else:
            future.set_result(found)
