"""What systemd hears of a serving process: that it answers, and that its event loop still turns."""

import asyncio
from collections.abc import Callable

from engine import notify

LOOK_S = 0.02
REST_S = 3600.0


async def watched(answers: Callable[[], bool], status: Callable[[], str]) -> None:
    """Say that it is ready once it answers, then that it lives, and how, as long as it does."""
    while not answers():  # noqa: ASYNC110 - the door of uvicorn has no event for it
        await asyncio.sleep(LOOK_S)
    notify.tell(notify.READY)
    try:
        while True:
            if answers():
                notify.tell_alive(status)
            await asyncio.sleep(notify.pause_s() or REST_S)
    finally:
        notify.tell(notify.STOPPING)
