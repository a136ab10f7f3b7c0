"""Another clock for a process: what it asks the time of day is off by what a file says.

Only the time of day is set, as a person or an NTP server would set it; what is monotonic goes on.
"""

import datetime
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

REAL = datetime.datetime
STALL_S = 3.0


class _Alike(type):
    """Takes every real moment for one of ours: most are made by others."""

    def __instancecheck__(cls, one: object) -> bool:
        return isinstance(one, REAL)

    def __subclasscheck__(cls, one: type) -> bool:
        return issubclass(one, REAL)


def move(path: str) -> None:
    """Have datetime and time ask the clock that a file sets; without that file it is right."""
    opened, read, closed, right = os.open, os.read, os.close, time.time  # noqa: TID251

    def off() -> float:
        try:
            handle = opened(path, os.O_RDONLY)
        except OSError:
            return 0.0
        text = read(handle, 64)
        closed(handle)
        return float(text)

    class Moved(REAL, metaclass=_Alike):
        def __new__(cls, *given: Any, **named: Any) -> Any:
            return REAL(*given, **named)

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return REAL.now(tz) + datetime.timedelta(seconds=off())

        @classmethod
        def utcnow(cls) -> Any:
            return REAL.utcnow() + datetime.timedelta(seconds=off())

    datetime.datetime = Moved  # type: ignore[misc]
    time.time = lambda: right() + off()  # noqa: TID251
    time.time_ns = lambda: int((right() + off()) * 1e9)


def stall_when_told() -> None:
    """Hold the main thread, and with it the loop it runs, for three seconds on SIGUSR1."""

    def held(_: int, __: FrameType | None) -> None:
        time.sleep(STALL_S)

    signal.signal(signal.SIGUSR1, held)


def say_alarms_when_told(folder: str) -> None:
    """Write on SIGUSR2 what every living scheduler of APScheduler would wake for."""

    def said(_: int, __: FrameType | None) -> None:
        import gc

        kind = sys.modules["apscheduler.schedulers.background"].BackgroundScheduler
        living = [one for one in gc.get_objects() if type(one) is kind and one.running]
        names = [job.name for one in living for job in one.get_jobs()]
        threads = [t for t in threading.enumerate() if t.name == "APScheduler" and t.is_alive()]
        part = f"{folder}/alarms.part"
        with open(part, "w", encoding="utf-8") as file:
            file.write("\n".join([str(len(threads)), *sorted(names)]))
        os.rename(part, f"{folder}/alarms")

    signal.signal(signal.SIGUSR2, said)
