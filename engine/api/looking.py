"""Routes that only look. Each is one call, of the pipeline or of the desk."""

import msgspec
from litestar import get
from litestar.datastructures import State
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from engine import wire
from engine.api.conductor import SHOWN
from engine.api.desk import desk_of, site_of
from engine.api.peer import Req, actor_of
from engine.api.roles import role_of
from engine.api.stream import hub_of
from engine.clock import iso, parse_time
from engine.errors import InvalidError
from engine.pipeline import (
    alert_page,
    attacks,
    drift_page,
    overview,
    performance_page,
    postmortem,
    quality_page,
    quarantine,
    rollout_page,
    schema,
    tracing,
    train_plan,
)
from engine.pipeline import alert_replay as rules
from engine.pipeline import incidents as timeline
from engine.pipeline import report as report_page
from engine.pipeline import taints as tainting


@get("/api/v1/state", sync_to_thread=True)
def snapshot(request: Req, state: State, at: FromQuery[str] = "") -> wire.State:
    """Return one snapshot for the console, or that of a past moment."""
    peer, desk = request.scope["state"], desk_of(state)
    role = role_of(peer["peer"], desk.site.settings.roles) or "viewer"
    you, onlookers = actor_of(peer).name, hub_of(state).onlookers
    if at:
        return desk.state_then(you, role, onlookers, parse_time(at))
    return desk.state(you, role, onlookers)


@get("/api/v1/status", sync_to_thread=True)
def status(state: State) -> wire.Status:
    """Return engine, serving and models in a few words."""
    return desk_of(state).status()


@get("/api/v1/events")
async def events(request: Req, state: State) -> Stream:
    """Follow the facts from Last-Event-ID on, or from now."""
    desk, peer = desk_of(state), request.scope["state"]
    ledger = desk.ledger
    resume = request.headers.get("last-event-id", "")
    after = int(resume) if resume.isdecimal() and len(resume) < 19 else ledger.last_event()
    role = role_of(peer["peer"], desk.site.settings.roles) or "viewer"
    who = wire.Onlooker(actor_of(peer).name, role, iso(desk.site.clock.wall()))
    return Stream(hub_of(state).follow(ledger, after, who), media_type="text/event-stream")


@get("/api/v1/events/recent", sync_to_thread=True)
def recent(state: State, limit: FromQuery[int] = 50) -> list[wire.EventRow]:
    """Return the newest facts, oldest first."""
    return desk_of(state).ledger.events(limit=max(1, min(limit, 10_000)))


@get("/api/v1/jobs", sync_to_thread=True)
def jobs(state: State, limit: FromQuery[int] = SHOWN) -> list[wire.JobRow]:
    """Return running and queued runs, and the newest of the finished ones."""
    return desk_of(state).runs(max(1, min(limit, 10_000)))


@get("/api/v1/jobs/{run:str}", sync_to_thread=True)
def job(state: State, run: FromPath[str]) -> wire.JobRow:
    """Return one run."""
    return desk_of(state).a_run(run)


@get("/api/v1/jobs/{run:str}/log", sync_to_thread=True)
def run_log(state: State, run: FromPath[str]) -> wire.RunLog:
    """Return the end of what the process of a run wrote."""
    return desk_of(state).run_log(run)


@get("/api/v1/models/{model:str}/versions", sync_to_thread=True)
def versions(state: State, model: FromPath[str]) -> list[wire.VersionRow]:
    """Return the versions of a model, newest first."""
    return overview.version_rows(site_of(state), model)


@get("/api/v1/models/{model:str}/versions/{version:str}", sync_to_thread=True)
def version(state: State, model: FromPath[str], version: FromPath[str]) -> wire.VersionPage:
    """Return one version with its gate report and lineage."""
    return overview.version_page(site_of(state), model, version)


@get("/api/v1/models/{model:str}/compare", sync_to_thread=True)
def compare(
    state: State, model: FromPath[str], a: FromQuery[str], b: FromQuery[str]
) -> wire.CompareAnswer:
    """Return two versions measured on the same mature rows, newer than what either has seen."""
    return desk_of(state).compare(model, a, b)


@get("/api/v1/models/{model:str}/drift", sync_to_thread=True)
def drift(state: State, model: FromPath[str]) -> wire.DriftAnswer:
    """Return the live drift of a model, worst column first."""
    return drift_page.page(site_of(state), model)


@get("/api/v1/models/{model:str}/drift/shape", sync_to_thread=True)
def shape(
    state: State, model: FromPath[str], column: FromQuery[str], part: FromQuery[str] = "feature"
) -> wire.ColumnShape:
    """Return one column as bars: its reference and the window looked at last."""
    return drift_page.shape(site_of(state), model, part, column)


@get("/api/v1/models/{model:str}/quality", sync_to_thread=True)
def quality(state: State, model: FromPath[str]) -> wire.QualityAnswer:
    """Return the data quality of the newest look at a model, what is wrong first."""
    return quality_page.page(site_of(state), model)


@get("/api/v1/models/{model:str}/performance", sync_to_thread=True)
def performance(state: State, model: FromPath[str]) -> wire.Performance:
    """Return realised performance by window, estimated where labels are still to come."""
    return performance_page.performance(site_of(state), model)


@get("/api/v1/models/{model:str}/report", sync_to_thread=True)
def model_report(request: Req, state: State, model: FromPath[str]) -> wire.ModelReport:
    """Return a model as one HTML page; the query may say `from` and `to`."""
    asked = request.query_params
    return report_page.report(site_of(state), model, asked.get("from"), asked.get("to"))


@get("/api/v1/models/{model:str}/clients", sync_to_thread=True)
def clients(state: State, model: FromPath[str]) -> wire.ClientsAnswer:
    """Return who asked a model lately, suspects first."""
    return attacks.clients(site_of(state), model)


@get("/api/v1/models/{model:str}/forecast", sync_to_thread=True)
def forecast(state: State, model: FromPath[str]) -> wire.ForecastAnswer:
    """Return what the next windows of a model should bring."""
    return performance_page.forecast(site_of(state), model)


@get("/api/v1/models/{model:str}/kpi", sync_to_thread=True)
def kpi(state: State, model: FromPath[str]) -> wire.KpiAnswer:
    """Return the KPIs of a model against never acting, always acting and their promise."""
    return performance_page.kpi(site_of(state), model)


@get("/api/v1/models/{model:str}/rollout", sync_to_thread=True)
def rollout(state: State, model: FromPath[str]) -> wire.RolloutPage:
    """Return the evidence of the rollout that runs, or how the last one ended."""
    return rollout_page.page(site_of(state), model)


@get("/api/v1/models/{model:str}/proof", sync_to_thread=True)
def proof(state: State, model: FromPath[str], generation: FromQuery[int]) -> wire.Proof:
    """Say who has answered since a generation began."""
    return desk_of(state).proof(model, generation)


@get("/api/v1/audit", sync_to_thread=True)
def audit(request: Req, state: State, limit: FromQuery[int] = 50) -> wire.AuditAnswer:
    """Return the newest audit entries; the query may ask for what AuditQuestion has."""
    asked = {
        k: v for k, v in request.query_params.items() if k in wire.AuditQuestion.__struct_fields__
    }
    try:
        question = msgspec.convert(asked, type=wire.AuditQuestion, strict=False)
    except msgspec.ValidationError as e:
        raise InvalidError(
            f"Asking the audit: {e}. See /api/v1/openapi.json.", code="bad_question"
        ) from None
    return tracing.answer(site_of(state), max(1, min(limit, 10_000)), question)


@get("/api/v1/models/{model:str}/taints", sync_to_thread=True)
def taints(state: State, model: FromPath[str]) -> list[wire.Taint]:
    """Return every taint of a model, the lifted ones too."""
    return tainting.listed(site_of(state), model)


@get("/api/v1/models/{model:str}/quarantine", sync_to_thread=True)
def quarantined(state: State, model: FromPath[str]) -> list[wire.BatchRow]:
    """Return the files of a model that are set aside, with the reasons."""
    return quarantine.listed(site_of(state), model)


@get("/api/v1/models/{model:str}/batches", sync_to_thread=True)
def batches(state: State, model: FromPath[str], limit: FromQuery[int] = 100) -> wire.BatchesAnswer:
    """Return the newest files delivered for a model, what was found of each, what can be done."""
    return quarantine.delivered(site_of(state), model, max(1, min(limit, 1000)))


@get("/api/v1/models/{model:str}/schema", sync_to_thread=True)
def columns(state: State, model: FromPath[str]) -> wire.SchemaAnswer:
    """Return the columns of a model, and what is proposed to change."""
    return schema.page(site_of(state), model)


@get("/api/v1/models/{model:str}/versions/{version:str}/lineage", sync_to_thread=True)
def lineage(state: State, model: FromPath[str], version: FromPath[str]) -> wire.Lineage:
    """Return what a version was made of, and what came of it."""
    return tracing.lineage(site_of(state), model, version)


@get("/api/v1/models/{model:str}/versions/{version:str}/reproduction", sync_to_thread=True)
def reproduction(state: State, model: FromPath[str], version: FromPath[str]) -> wire.Reproduction:
    """Return how a version comes out when it is trained again from what was recorded."""
    return desk_of(state).reproduce(model, version)


@get("/api/v1/alerts", sync_to_thread=True)
def alerts(
    state: State, model: FromQuery[str | None] = None, everything: FromQuery[int] = 0
) -> wire.AlertList:
    """Return the alerts that stand, worst first; with `everything` pending and ended ones too."""
    return alert_page.listed(site_of(state), model, everything=everything != 0)


@get("/api/v1/alerts/{number:int}", sync_to_thread=True)
def alert(state: State, number: FromPath[int]) -> wire.AlertRow:
    """Return one alert."""
    return alert_page.page(site_of(state), number)


@get("/api/v1/models/{model:str}/alerts/replay", sync_to_thread=True)
def alert_replay(
    state: State,
    model: FromPath[str],
    since: FromQuery[str | None] = None,
    until: FromQuery[str | None] = None,
) -> wire.AlertReplay:
    """Return what today's rules would have raised on the stored looks."""
    span = (None if t is None else parse_time(t) for t in (since, until))
    return rules.replay(site_of(state), model, *span)


@get("/api/v1/incidents", sync_to_thread=True)
def incidents(state: State) -> list[wire.IncidentRow]:
    """Return the newest incidents, newest first."""
    return site_of(state).ledger.incidents.newest()


@get("/api/v1/incidents/{number:int}", sync_to_thread=True)
def incident(state: State, number: FromPath[int]) -> wire.IncidentPage:
    """Return one incident with what gathered on it."""
    return timeline.page(site_of(state), number)


@get("/api/v1/incidents/{number:int}/report", sync_to_thread=True)
def report(state: State, number: FromPath[int]) -> wire.IncidentReport:
    """Return the post-mortem of an incident as Markdown."""
    return wire.IncidentReport(number, postmortem.text(site_of(state), number))


@get("/api/v1/models/{model:str}/train", sync_to_thread=True)
def training_plan(state: State, model: FromPath[str]) -> wire.TrainPlan:
    """Return what a training would be made of now."""
    return train_plan.plan(site_of(state), model)


ROUTES = [
    training_plan,
    alerts,
    alert,
    alert_replay,
    incidents,
    incident,
    report,
    snapshot,
    status,
    events,
    recent,
    jobs,
    job,
    run_log,
    versions,
    version,
    compare,
    drift,
    shape,
    quality,
    performance,
    model_report,
    clients,
    forecast,
    kpi,
    rollout,
    proof,
    audit,
    taints,
    quarantined,
    batches,
    columns,
    lineage,
    reproduction,
]
