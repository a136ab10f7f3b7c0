"""Routes that change something. Each proves who asks, then is one call of the desk."""

from litestar import post
from litestar.datastructures import State
from litestar.params import FromPath, FromQuery, JSONBody

from engine import wire
from engine.api.desk import desk_of
from engine.api.peer import Req, operator


@post("/api/v1/models/{model:str}/promote", status_code=200, sync_to_thread=True)
def promote(
    request: Req, state: State, model: FromPath[str], data: JSONBody[wire.Change]
) -> wire.ChangeAnswer:
    """Make a version champion."""
    return desk_of(state).promote(model, operator(request), data)


@post("/api/v1/models/{model:str}/rollback", status_code=200, sync_to_thread=True)
def rollback(
    request: Req, state: State, model: FromPath[str], data: JSONBody[wire.Change]
) -> wire.ChangeAnswer:
    """Take the champion back to the last known good."""
    return desk_of(state).rollback(model, operator(request), data)


@post("/api/v1/models/{model:str}/undo", status_code=200, sync_to_thread=True)
def undo(
    request: Req, state: State, model: FromPath[str], data: JSONBody[wire.Change]
) -> wire.ChangeAnswer:
    """Take the last promotion or rollback back."""
    return desk_of(state).undo(model, operator(request), data)


@post("/api/v1/models/{model:str}/hold", status_code=200, sync_to_thread=True)
def hold(
    request: Req, state: State, model: FromPath[str], data: JSONBody[wire.LockRequest]
) -> wire.LockAnswer:
    """Forbid the automatic replacement of the champion."""
    return desk_of(state).hold(model, operator(request), data)


@post("/api/v1/models/{model:str}/resume", status_code=200, sync_to_thread=True)
def resume(
    request: Req, state: State, model: FromPath[str], data: JSONBody[wire.LockRequest]
) -> wire.LockAnswer:
    """Lift the hold."""
    return desk_of(state).resume(model, operator(request), data)


@post("/api/v1/models/{model:str}/train", status_code=200, sync_to_thread=True)
def train(
    request: Req, state: State, model: FromPath[str], data: JSONBody[wire.RunRequest]
) -> wire.JobRow:
    """Queue a training."""
    return desk_of(state).submit(model, "train", operator(request), data)


@post("/api/v1/models/{model:str}/monitor", status_code=200, sync_to_thread=True)
def monitor(
    request: Req, state: State, model: FromPath[str], data: JSONBody[wire.RunRequest]
) -> wire.JobRow:
    """Queue a monitoring run."""
    return desk_of(state).submit(model, "monitor", operator(request), data)


@post("/api/v1/models/{model:str}/ingest", status_code=200)
async def ingest(
    request: Req, state: State, model: FromPath[str], name: FromQuery[str]
) -> wire.UploadAnswer:
    """Take in a table, sent as the body."""
    operator(request)
    desk = desk_of(state)
    return await desk.upload(model, name, request.stream(), desk.take_file)


@post("/api/v1/models/{model:str}/labels", status_code=200)
async def labels(
    request: Req, state: State, model: FromPath[str], name: FromQuery[str]
) -> wire.UploadAnswer:
    """Take in a file of labels, sent as the body."""
    operator(request)
    desk = desk_of(state)
    return await desk.upload(model, name, request.stream(), desk.take_labels)


@post("/api/v1/reload", status_code=200, sync_to_thread=True)
def reload(request: Req, state: State) -> dict[str, str]:
    """Read cdml.toml again."""
    return desk_of(state).reload(operator(request))


@post("/api/v1/stop", status_code=200, sync_to_thread=True)
def stop(request: Req, state: State) -> dict[str, str]:
    """End the engine and the prediction service."""
    return desk_of(state).stop(operator(request))


@post("/api/v1/clock", status_code=200, sync_to_thread=True)
def clock(request: Req, state: State, data: JSONBody[wire.ClockRequest]) -> wire.ClockAnswer:
    """Move a replay's clock; answered when everything due by then is done."""
    operator(request)
    return desk_of(state).move_clock(data)


ROUTES = [promote, rollback, undo, hold, resume, train, monitor, ingest, labels]
ROUTES += [reload, stop, clock]
