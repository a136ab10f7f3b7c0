"""The policies side by side, in one or two processes that import what is slow to import once.

A process takes the next period of the policy furthest behind, so that none waits for long.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.queues import SimpleQueue
from threading import Thread

from engine.backtest.course import Course, read_done
from engine.backtest.plan import ALWAYS, Plan
from engine.errors import UnavailableError

MOST = 2
PR_SET_PDEATHSIG = 1
SAID_EVERY_S = 0.2
Said = tuple[str, float, str]
_said: "SimpleQueue[Said | None] | None" = None


def run(plan: Plan, show: Callable[[Mapping[str, float]], None]) -> None:
    """Run every policy's course; each leaves its result in its folder."""
    # What always fits is mostly what current has fitted: later, so that it need not be done twice.
    order = sorted(plan.policies, key=lambda name: name == ALWAYS)
    count = min(MOST, len(order), os.cpu_count() or 1)
    context = multiprocessing.get_context("spawn")
    said: SimpleQueue[Said | None] = context.SimpleQueue()
    shares = dict.fromkeys(plan.policies, 0.0)
    listener = Thread(target=_listen, args=(said, shares, show), daemon=True)
    listener.start()
    # One thread for every fit: two policies share the cores.
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    os.environ.update(dict.fromkeys(before, "1"))
    try:
        with ProcessPoolExecutor(count, context, _begin, (said, os.getpid())) as pool:
            try:
                _work(pool, plan, order, count)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                # A course takes minutes; what it has done is kept, so nobody waits for the rest.
                for child in multiprocessing.active_children():
                    child.terminate()
                raise
    except BrokenProcessPool as e:
        raise UnavailableError(
            f"Running the backtest of {plan.model}: a process of it died. Start it again with the "
            "same --out: it goes on where it was.",
            code="worker_died",
        ) from e
    finally:
        said.put(None)
        listener.join(timeout=5.0)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _work(pool: ProcessPoolExecutor, plan: Plan, order: list[str], count: int) -> None:
    """Have each period of each policy replayed, next always of the one furthest behind."""
    done = {name: read_done(plan, name).periods for name in order}
    running: dict[Future[None], str] = {}
    while True:
        free = [n for n in order if n not in running.values() and done[n] < len(plan.periods)]
        for name in sorted(free, key=done.__getitem__)[: count - len(running)]:
            running[pool.submit(_period, plan, name)] = name
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            future.result()
            done[running.pop(future)] += 1


def _begin(said: "SimpleQueue[Said | None]", parent: int) -> None:
    """Begin a worker: it dies with the process that started it."""
    global _said  # noqa: PLW0603 - a pool's worker has no other place for what it was begun with
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    _said = said


def _period(plan: Plan, policy: str) -> None:
    last = 0.0

    def tell(share: float, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if _said is not None and (now - last > SAID_EVERY_S or share >= 1.0):
            last = now
            _said.put((policy, share, text))

    Course(plan, policy, tell).advance()


def _listen(
    said: "SimpleQueue[Said | None]",
    shares: dict[str, float],
    show: Callable[[Mapping[str, float]], None],
) -> None:
    while (news := said.get()) is not None:
        shares[news[0]] = news[1]
        show(shares)
