"""Routes that change something: who asks is proven, then one call of the pipeline or the desk."""

from litestar import post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from engine import wire
from engine.api.bodies import FILE, MAX_UPLOAD
from engine.api.desk import desk_of, site_of
from engine.api.peer import Req, operator
from engine.api.verbs import CHANGES, LOCKS
from engine.pipeline import incidents, quiet


def _change(verb: str) -> HTTPRouteHandler:
    """Return the route of a verb that moves who serves."""

    def change(
        request: Req, state: State, model: FromPath[str], data: JSONBody[wire.Change]
    ) -> wire.ChangeAnswer:
        return desk_of(state).change(verb, model, operator(request), data)

    path = f"/api/v1/models/{{model:str}}/{verb}"
    return post(path, name=verb, status_code=200, sync_to_thread=True)(change)


def _lock(verb: str) -> HTTPRouteHandler:
    """Return the route of a verb that sets or lifts a lock."""

    def lock(
        request: Req, state: State, model: FromPath[str], data: JSONBody[wire.LockRequest]
    ) -> wire.LockAnswer:
        return desk_of(state).lock(verb, model, operator(request), data)

    path = f"/api/v1/models/{{model:str}}/{verb}"
    return post(path, name=verb, status_code=200, sync_to_thread=True)(lock)


@post("/api/v1/models/{model:str}/taint", status_code=200, sync_to_thread=True)
def taint(
    request: Req, state: State, model: FromPath[str], data: JSONBody[wire.TaintRequest]
) -> wire.TaintAnswer:
    """Taint rows, a batch or a version, or lift a taint."""
    return desk_of(state).taint(model, operator(request), data)


@post("/api/v1/models/{model:str}/quarantine", status_code=200, sync_to_thread=True)
def quarantine(
    request: Req, state: State, model: FromPath[str], data: JSONBody[wire.QuarantineRequest]
) -> wire.QuarantineAnswer:
    """Accept a file that is set aside, or discard it."""
    return desk_of(state).quarantine(model, operator(request), data)


@post("/api/v1/models/{model:str}/schema", status_code=200, sync_to_thread=True)
def schema(
    request: Req, state: State, model: FromPath[str], data: JSONBody[wire.LockRequest]
) -> wire.SchemaAnswer:
    """Approve the columns that the newest file which differs has."""
    return desk_of(state).columns(model, operator(request), data)


@post("/api/v1/models/{model:str}/train", status_code=200, sync_to_thread=True)
def train(
    request: Req, state: State, model: FromPath[str], data: JSONBody[wire.RunRequest]
) -> wire.JobRow:
    """Queue a training."""
    return desk_of(state).submit(model, "train", operator(request), data)


@post("/api/v1/models/{model:str}/pull", status_code=200, sync_to_thread=True)
def pull(
    request: Req, state: State, model: FromPath[str], data: JSONBody[wire.RunRequest]
) -> wire.JobRow:
    """Queue asking the model's source for rows."""
    return desk_of(state).submit(model, "pull", operator(request), data)


@post("/api/v1/models/{model:str}/monitor", status_code=200, sync_to_thread=True)
def monitor(
    request: Req, state: State, model: FromPath[str], data: JSONBody[wire.RunRequest]
) -> wire.JobRow:
    """Queue a monitoring run."""
    job = "rebuild" if data.rebuild else "monitor"
    return desk_of(state).submit(model, job, operator(request), data)


@post("/api/v1/models/{model:str}/validate", status_code=200, sync_to_thread=True)
def validate(
    request: Req, state: State, model: FromPath[str], data: JSONBody[wire.RunRequest]
) -> wire.JobRow:
    """Queue the validation of a version that was judged before."""
    return desk_of(state).validate(model, operator(request), data)


@post("/api/v1/jobs/{run:str}/cancel", status_code=200, sync_to_thread=True)
def cancel(
    request: Req, state: State, run: FromPath[str], data: JSONBody[wire.RunRequest]
) -> wire.JobRow:
    """Cancel a run."""
    return desk_of(state).cancel(run, operator(request), data)


@post(
    "/api/v1/models/{model:str}/ingest",
    status_code=200,
    opt={FILE: True},
    request_max_body_size=MAX_UPLOAD,
)
async def ingest(
    request: Req, state: State, model: FromPath[str], name: FromQuery[str]
) -> wire.UploadAnswer:
    """Take in a table, sent as the body."""
    desk = desk_of(state)
    return await desk.upload(model, name, request.stream(), desk.take_file, operator(request))


@post(
    "/api/v1/models/{model:str}/labels",
    status_code=200,
    opt={FILE: True},
    request_max_body_size=MAX_UPLOAD,
)
async def labels(
    request: Req, state: State, model: FromPath[str], name: FromQuery[str]
) -> wire.UploadAnswer:
    """Take in a file of labels, sent as the body."""
    desk = desk_of(state)
    return await desk.upload(model, name, request.stream(), desk.take_labels, operator(request))


@post("/api/v1/incidents/{number:int}", status_code=200, sync_to_thread=True)
def note(
    request: Req, state: State, number: FromPath[int], data: JSONBody[wire.NoteRequest]
) -> wire.IncidentPage:
    """Add a note to an incident, or close it."""
    return incidents.add(site_of(state), number, operator(request), data.text, close=data.close)


@post("/api/v1/alerts/{number:int}/ack", status_code=200, sync_to_thread=True)
def ack(
    request: Req, state: State, number: FromPath[int], data: JSONBody[wire.AlertRequest]
) -> wire.AlertAnswer:
    """Acknowledge an alert."""
    return quiet.ack(site_of(state), number, operator(request), data)


@post("/api/v1/alerts/{number:int}/mute", status_code=200, sync_to_thread=True)
def mute(
    request: Req, state: State, number: FromPath[int], data: JSONBody[wire.AlertRequest]
) -> wire.AlertAnswer:
    """Mute an alert for a time."""
    return quiet.mute(site_of(state), number, operator(request), data)


@post("/api/v1/reload", status_code=200, sync_to_thread=True)
def reload(request: Req, state: State) -> dict[str, str]:
    """Read cdml.toml again."""
    return desk_of(state).reload(operator(request))


@post("/api/v1/backup", status_code=200, sync_to_thread=True)
def backup(request: Req, state: State) -> wire.BackupAnswer:
    """Copy the workspace into the folder that cdml.toml names, and verify the copy."""
    return desk_of(state).back_up(operator(request))


@post("/api/v1/stop", status_code=200, sync_to_thread=True)
def stop(request: Req, state: State) -> dict[str, str]:
    """End the engine and the prediction service."""
    return desk_of(state).stop(operator(request))


@post("/api/v1/clock", status_code=200, sync_to_thread=True)
def clock(request: Req, state: State, data: JSONBody[wire.ClockRequest]) -> wire.ClockAnswer:
    """Move a replay's clock; answered when everything due by then is done."""
    operator(request)
    return desk_of(state).move_clock(data)


ROUTES = [*map(_change, CHANGES), *map(_lock, LOCKS)]
ROUTES += [
    taint,
    quarantine,
    schema,
    train,
    pull,
    monitor,
    validate,
    cancel,
    ingest,
    labels,
    note,
    ack,
    mute,
    backup,
]
# They end the engine or change what it goes by.
ADMIN = [reload, stop, clock]
