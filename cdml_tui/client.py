"""Every URL of the engine's control socket. The only user of httpx.

Synchronous, for the console and the one-shot commands alike; httpx is imported at first use, so
that importing this module costs nothing. Answers are wire values, failures are ConsoleError.
"""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from cdml_tui.streaming import StreamItem, stream_items
from engine import wire

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

CONNECT_S = 1.0
READ_S = 5.0
# The engine sends a comment every second; three missed ones and the line is dead.
SILENCE_S = 4.0
# Two versions are loaded and measured in a process of their own.
COMPARE_S = 120.0


class ConsoleError(Exception):
    """What the engine answered instead of a result; `status` is its HTTP status, 0 for none."""

    def __init__(self, code: str, message: str, field: str | None = None, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.status = status


class EngineLost(ConsoleError):  # noqa: N818 - a fact about the link; every caller says `lost`
    """The engine did not answer; `sent` says whether it may have received the request."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__("engine_unreachable", message)
        self.sent = sent


class Client:
    """One engine, reached over its Unix socket. Safe to use from several threads."""

    def __init__(self, socket_path: Path, timeout: float = READ_S) -> None:
        self.socket = socket_path
        self._timeout = timeout
        self._http: httpx.Client | None = None

    def close(self) -> None:
        """Close every connection."""
        if self._http is not None:
            self._http.close()

    def state(self, at: str | None = None) -> wire.State:
        """Return one snapshot of everything the console shows, or that of a past moment."""
        return self._get("/state", wire.State, {"at": at} if at else None)

    def status(self) -> wire.Status:
        """Return the engine, the serving process and the models in a few words."""
        return self._get("/status", wire.Status)

    def jobs(self, limit: int = 50) -> list[wire.JobRow]:
        """Return the runs, newest first; of those that ended at most `limit`."""
        return self._get("/jobs", list[wire.JobRow], {"limit": limit})

    def job(self, run_id: str) -> wire.JobRow:
        """Return one run."""
        return self._get(f"/jobs/{_path(run_id)}", wire.JobRow)

    def run_log(self, run_id: str) -> wire.RunLog:
        """Return the end of what the process of a run wrote."""
        return self._get(f"/jobs/{_path(run_id)}/log", wire.RunLog)

    def versions(self, model: str) -> list[wire.VersionRow]:
        """Return the versions of a model."""
        return self._get(f"{_model(model)}/versions", list[wire.VersionRow])

    def show(self, model: str, version: str) -> wire.VersionPage:
        """Return one version with its lineage and gate report."""
        return self._get(f"{_model(model)}/versions/{_path(version)}", wire.VersionPage)

    def recent_events(self, limit: int = 50) -> list[wire.EventRow]:
        """Return the latest events."""
        return self._get("/events/recent", list[wire.EventRow], {"limit": limit})

    def proof(self, model: str, generation: int) -> wire.Proof:
        """Return who has answered predictions since a generation began."""
        return self._get(f"{_model(model)}/proof", wire.Proof, {"generation": generation})

    def drift(self, model: str) -> wire.DriftAnswer:
        """Return the drift of every column, worst first."""
        return self._get(f"{_model(model)}/drift", wire.DriftAnswer)

    def shape(self, model: str, part: str, column: str) -> wire.ColumnShape:
        """Return one column as bars, of the reference and of now."""
        params = {"part": part, "column": column}
        return self._get(f"{_model(model)}/drift/shape", wire.ColumnShape, params)

    def quality(self, model: str) -> wire.QualityAnswer:
        """Return the data quality of the newest look, what is wrong first."""
        return self._get(f"{_model(model)}/quality", wire.QualityAnswer)

    def performance(self, model: str) -> wire.Performance:
        """Return realised performance per window."""
        return self._get(f"{_model(model)}/performance", wire.Performance)

    def model_report(self, model: str, since: str | None, until: str | None) -> wire.ModelReport:
        """Return a model between two moments as an HTML page."""
        params = {k: v for k, v in (("from", since), ("to", until)) if v}
        return self._get(f"{_model(model)}/report", wire.ModelReport, params)

    def clients(self, model: str) -> wire.ClientsAnswer:
        """Return who asked a model lately, suspects first."""
        return self._get(f"{_model(model)}/clients", wire.ClientsAnswer)

    def forecast(self, model: str) -> wire.ForecastAnswer:
        """Return what the next windows should bring."""
        return self._get(f"{_model(model)}/forecast", wire.ForecastAnswer)

    def kpi(self, model: str) -> wire.KpiAnswer:
        """Return the KPIs with what they are compared to."""
        return self._get(f"{_model(model)}/kpi", wire.KpiAnswer)

    def audit(self, limit: int, asked: wire.AuditQuestion) -> wire.AuditAnswer:
        """Return the latest audit entries that were asked for."""
        params = {"limit": limit, **msgspec.to_builtins(asked)}
        return self._get("/audit", wire.AuditAnswer, params)

    def taints(self, model: str) -> list[wire.Taint]:
        """Return every taint of a model."""
        return self._get(f"{_model(model)}/taints", list[wire.Taint])

    def reproduce(self, model: str, version: str) -> wire.Reproduction:
        """Train a version again, which takes as long as the first time, and compare."""
        path = f"{_model(model)}/versions/{_path(version)}/reproduction"
        return self._ask("GET", path, wire.Reproduction, timeout=None)

    def quarantined(self, model: str) -> list[wire.BatchRow]:
        """Return the files of a model that are set aside."""
        return self._get(f"{_model(model)}/quarantine", list[wire.BatchRow])

    def batches(self, model: str, limit: int = 100) -> wire.BatchesAnswer:
        """Return the newest files delivered for a model, and what was found of each."""
        return self._get(f"{_model(model)}/batches", wire.BatchesAnswer, {"limit": limit})

    def schema(self, model: str) -> wire.SchemaAnswer:
        """Return the columns of a model, and what is proposed to change."""
        return self._get(f"{_model(model)}/schema", wire.SchemaAnswer)

    def lineage(self, model: str, version: str) -> wire.Lineage:
        """Return what a version was made of and what came of it."""
        return self._get(f"{_model(model)}/versions/{_path(version)}/lineage", wire.Lineage)

    def alerts(self, model: str | None, *, everything: bool) -> wire.AlertList:
        """Return the alerts of a model or of all, worst first."""
        params = {"model": model} if model is not None else {}
        return self._get("/alerts", wire.AlertList, {**params, "everything": int(everything)})

    def alert(self, number: int) -> wire.AlertRow:
        """Return one alert."""
        return self._get(f"/alerts/{number}", wire.AlertRow)

    def alert_replay(self, model: str, since: str | None, until: str | None) -> wire.AlertReplay:
        """Return what today's rules would have raised on the stored looks."""
        params = {k: v for k, v in (("since", since), ("until", until)) if v is not None}
        return self._get(f"{_model(model)}/alerts/replay", wire.AlertReplay, params)

    def incidents(self) -> list[wire.IncidentRow]:
        """Return the newest incidents, newest first."""
        return self._get("/incidents", list[wire.IncidentRow])

    def incident(self, number: int) -> wire.IncidentPage:
        """Return one incident with what gathered on it."""
        return self._get(f"/incidents/{number}", wire.IncidentPage)

    def report(self, number: int) -> wire.IncidentReport:
        """Return the post-mortem of an incident as Markdown."""
        return self._get(f"/incidents/{number}/report", wire.IncidentReport)

    def events(self, last_id: int | None = None) -> Iterator[StreamItem]:
        """Follow the event stream from after `last_id`; ends in EngineLost, never silently."""
        self._knock("Following the events")
        import httpx

        headers = {"Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = str(last_id)
        timeout = httpx.Timeout(SILENCE_S, connect=CONNECT_S)
        try:
            with self._client().stream(
                "GET", "/api/v1/events", headers=headers, timeout=timeout
            ) as answer:
                if answer.status_code != 200:
                    answer.read()
                    raise _refusal(answer)
                yield StreamItem("keep")
                yield from stream_items(answer.iter_lines())
        except httpx.HTTPError as fault:
            raise self._lost("Following the events", fault) from None
        raise EngineLost("Following the events: the engine closed the stream.", sent=True)

    def change(self, verb: str, model: str, change: wire.Change) -> wire.ChangeAnswer:
        """Move who serves: promote, rollback, undo and the like."""
        return self._post(f"{_model(model)}/{verb}", wire.ChangeAnswer, change)

    def lock(self, verb: str, model: str, request: wire.LockRequest) -> wire.LockAnswer:
        """Set or lift a lock: hold, resume and the like."""
        return self._post(f"{_model(model)}/{verb}", wire.LockAnswer, request)

    def taint(self, model: str, request: wire.TaintRequest) -> wire.TaintAnswer:
        """Taint rows, a batch or a version, or lift a taint."""
        return self._post(f"{_model(model)}/taint", wire.TaintAnswer, request)

    def quarantine(self, model: str, request: wire.QuarantineRequest) -> wire.QuarantineAnswer:
        """Accept a file that is set aside, or discard it."""
        path = f"{_model(model)}/quarantine"
        return self._post(path, wire.QuarantineAnswer, request, timeout=None)

    def approve_schema(self, model: str, request: wire.LockRequest) -> wire.SchemaAnswer:
        """Put the proposed columns of a model in force."""
        return self._post(f"{_model(model)}/schema", wire.SchemaAnswer, request)

    def rollout(self, model: str) -> wire.RolloutPage:
        """Return the rollout that runs, or how the last one ended."""
        return self._get(f"{_model(model)}/rollout", wire.RolloutPage)

    def start(self, job: str, model: str, request: wire.RunRequest) -> wire.JobRow:
        """Start a run of a job: train, pull, monitor or validate."""
        return self._post(f"{_model(model)}/{job}", wire.JobRow, request)

    def train_plan(self, model: str) -> wire.TrainPlan:
        """Return what a training would be made of now."""
        return self._get(f"{_model(model)}/train", wire.TrainPlan)

    def cancel(self, run: str, request: wire.RunRequest) -> wire.JobRow:
        """Cancel a run."""
        return self._post(f"/jobs/{_path(run)}/cancel", wire.JobRow, request)

    def compare(self, model: str, a: str, b: str) -> wire.CompareAnswer:
        """Return two versions measured on the same rows; this takes seconds."""
        path, params = f"{_model(model)}/compare", {"a": a, "b": b}
        return self._ask("GET", path, wire.CompareAnswer, params=params, timeout=COMPARE_S)

    def ingest(self, model: str, path: Path) -> wire.UploadAnswer:
        """Hand over a file of rows."""
        return self._upload(f"{_model(model)}/ingest", path)

    def labels(self, model: str, path: Path) -> wire.UploadAnswer:
        """Hand over a file of labels."""
        return self._upload(f"{_model(model)}/labels", path)

    def note(self, number: int, request: wire.NoteRequest) -> wire.IncidentPage:
        """Add a note to an incident, or close it."""
        return self._post(f"/incidents/{number}", wire.IncidentPage, request)

    def quiet(self, verb: str, number: int, request: wire.AlertRequest) -> wire.AlertAnswer:
        """Acknowledge or mute an alert."""
        return self._post(f"/alerts/{number}/{verb}", wire.AlertAnswer, request)

    def back_up(self) -> wire.BackupAnswer:
        """Have the workspace copied, which takes as long as its size asks for."""
        return self._post("/backup", wire.BackupAnswer, None, timeout=None)

    def notify(self, test: str | None = None) -> list[wire.NotifyRow]:
        """Return who is told of what happens; with `test`, "" for all, tell them something now."""
        if test is None:
            return self._get("/notify", list[wire.NotifyRow])
        path = f"/notify/test{f'?target={_path(test)}' if test else ''}"
        return self._post(path, list[wire.NotifyRow], None, timeout=None)

    def stop(self) -> None:
        """Stop the engine."""
        self._post("/stop", dict[str, Any], None)

    def reload(self) -> None:
        """Have the engine read cdml.toml again."""
        self._post("/reload", dict[str, Any], None)

    def clock(self, now: str) -> wire.ClockAnswer:
        """Move a simulated clock; returns when everything due by then is done."""
        request = wire.ClockRequest(now=now)
        # What falls due may be a training run: no limit but the connection itself.
        return self._post("/clock", wire.ClockAnswer, request, timeout=None)

    def _get(self, path: str, kind: type[T], params: dict[str, Any] | None = None) -> T:
        return self._ask("GET", path, kind, params=params)

    def _post(
        self, path: str, kind: type[T], body: msgspec.Struct | None, **limits: float | None
    ) -> T:
        content = b"{}" if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"}
        return self._ask("POST", path, kind, content=content, headers=headers, **limits)

    def _upload(self, path: str, file: Path) -> wire.UploadAnswer:
        headers = {"Content-Type": "application/octet-stream"}
        try:
            opened = file.open("rb")
        except OSError as fault:
            raise ConsoleError(
                "file_not_readable",
                f'Sending the file "{file}": {fault.strerror}. Name a file that can be read.',
                "file",
                422,
            ) from None
        with opened as content:
            return self._ask(
                "POST",
                path,
                wire.UploadAnswer,
                params={"name": file.name},
                content=content,
                headers=headers,
                timeout=None,
            )

    def _ask(self, method: str, path: str, kind: type[T], **request: Any) -> T:
        attempt = f"Asking the engine for {path}"
        self._knock(attempt)
        import httpx

        if "timeout" in request:
            request["timeout"] = httpx.Timeout(request["timeout"], connect=CONNECT_S)
        try:
            answer = self._client().request(method, f"/api/v1{path}", **request)
        except httpx.HTTPError as fault:
            raise self._lost(attempt, fault) from None
        if answer.status_code >= 400:
            raise _refusal(answer)
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.MsgspecError as fault:
            found = f"Asking the engine for {path}: its answer was not understood ({fault}). "
            after = "The console and the engine may be of different versions."
            raise ConsoleError("bad_answer", found + after, status=answer.status_code) from None

    def _knock(self, attempt: str) -> None:
        """Find out cheaply, before httpx is even imported, that nobody listens."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.settimeout(CONNECT_S)
            try:
                door.connect(str(self.socket))
            except OSError as fault:
                raise self._nobody(attempt, fault.strerror or str(fault)) from None

    def _nobody(self, attempt: str, found: str) -> EngineLost:
        do = "Be its user." if "permission" in found.lower() else "Start the engine with `cdml up`."
        said = f'{attempt}: nobody answers on "{self.socket}" ({found.lower()}).'
        return EngineLost(f"{said} {do}", sent=False)

    def _client(self) -> "httpx.Client":
        import httpx

        if self._http is None:
            self._http = httpx.Client(
                transport=httpx.HTTPTransport(uds=str(self.socket)),
                base_url="http://engine",
                timeout=httpx.Timeout(self._timeout, connect=CONNECT_S),
                trust_env=False,
            )
        return self._http

    def _lost(self, attempt: str, fault: Exception) -> EngineLost:
        import httpx

        if isinstance(fault, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
            return self._nobody(attempt, str(fault))
        slow = isinstance(fault, httpx.TimeoutException)
        found = "no answer in time" if slow else "the line broke"
        return EngineLost(f"{attempt}: {found}. Look with `cdml status`.", sent=True)


def _path(name: str) -> str:
    return quote(name, safe="")


def _model(model: str) -> str:
    return f"/models/{_path(model)}"


def _refusal(answer: "httpx.Response") -> ConsoleError:
    try:
        body = msgspec.json.decode(answer.content, type=wire.ErrorAnswer).error
    except msgspec.MsgspecError:
        said = answer.text[:200].strip() or "nothing"
        return ConsoleError(
            "bad_answer",
            f"Asking the engine: it answered {answer.status_code} and said {said!r}.",
            status=answer.status_code,
        )
    return ConsoleError(body.code, body.message, body.field, answer.status_code)
