"""Routes about what goes out to others: the engine's numbers, and who is told what happens."""

from typing import Protocol

from litestar import get, post
from litestar.datastructures import State
from litestar.params import FromQuery

from engine import wire
from engine.api.peer import Req, operator
from engine.telemetry.engine_metrics import CONTENT_TYPE


class Outward(Protocol):
    """What the routes ask of whoever keeps the ways out; the daemon has the real one."""

    def metrics(self) -> bytes:
        """Return the engine's numbers in the text format of Prometheus."""

    def targets(self) -> list[wire.NotifyRow]:
        """Return who is told, and how that goes."""

    def test(self, target: str | None, by: str) -> list[wire.NotifyRow]:
        """Tell one target or all of them something now; return how that went."""


def _outward(state: State) -> Outward:
    found: Outward = state["outward"]
    return found


@get("/metrics", sync_to_thread=True, media_type=CONTENT_TYPE, include_in_schema=False)
def metrics(state: State) -> bytes:
    """Return the engine's numbers for Prometheus."""
    return _outward(state).metrics()


@get("/api/v1/notify", sync_to_thread=True)
def targets(state: State) -> list[wire.NotifyRow]:
    """Return who is told of what happens, and how that goes."""
    return _outward(state).targets()


@post("/api/v1/notify/test", status_code=200, sync_to_thread=True)
def notify_test(
    request: Req, state: State, target: FromQuery[str | None] = None
) -> list[wire.NotifyRow]:
    """Tell one target or all of them something now."""
    return _outward(state).test(target, operator(request).name)


ROUTES = [metrics, targets]
CHANGING = [notify_test]
