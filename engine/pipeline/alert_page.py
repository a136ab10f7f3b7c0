"""Alerts as people see them: the list, one of them, what to do next, what the rules promise."""

from datetime import datetime

from engine.clock import iso
from engine.domain.alerts import Alert, State, worst_first
from engine.errors import UnknownError
from engine.pipeline import findings
from engine.pipeline.site import Control
from engine.wire import AlertList, AlertRow

# What to do, the likeliest first. Each can be typed as it stands.
_TAKE_BACK = "cdml rollback {model}   (R in the console)"
_LOOK = "cdml drift {model}"
_TRAIN = "cdml train {model}"
_TREND = "cdml performance {model}"
_TAINT = "cdml taint {model} --from T --to T --reason T   (rows that are not to be trained on)"

_BY_KIND: dict[str, tuple[str, ...]] = {
    "realised": (_TREND, _LOOK, _TAKE_BACK, _TRAIN),
    "kpi": (_TREND, _LOOK, _TAKE_BACK, _TRAIN),
    "slice": (_LOOK, _TAKE_BACK, _TRAIN),
    "errors": (_TAKE_BACK, "cdml status"),
    "latency": ("cdml status", _TAKE_BACK),
    "attack": ("cdml rollback {model} --attack --reason T", _TAINT),
    "calibration": (_TREND, _TRAIN),
    "estimated": (_TREND, _LOOK, _TRAIN),
    "forecast": (_TREND, _TRAIN),
    "losses": (_LOOK, _TREND, _TAKE_BACK),
    "detector": (_LOOK, _TREND, _TAKE_BACK),
    "quality": (_LOOK, _TAINT),
    "quarantine": ("cdml quarantine {model}", _TAINT),
    "stale": (_TRAIN,),
}
_ELSE = (_LOOK, _TRAIN)


def listed(site: Control, model: str | None, *, everything: bool) -> AlertList:
    """Return the alerts that stand, worst first; with `everything` pending and ended ones too."""
    if model is not None:
        site.model(model)
    now = site.clock.now()
    kept = site.ledger.alerts.newest(model, everything=everything)
    model_of = {a.number: m for m, a in kept}
    stands = worst_first(a for _, a in kept if a.ended is None)
    over = [a for _, a in kept if a.ended is not None]
    rows = [row(model_of[a.number], a, now) for a in [*stands, *over]]
    names = [model] if model is not None else list(site.settings.models)
    return AlertList(rows, {name: promise(site, name) for name in names})


def promise(site: Control, model: str) -> str:
    """Say what drift alerts of a model are worth."""
    watch = site.model(model).monitor
    return (
        f"drift: psi over {watch.drift_limit:g} and evidence; expected false alerts "
        f"{watch.false_alarms:g} a year, over all columns and looks"
    )


def page(site: Control, number: int) -> AlertRow:
    """Return one alert."""
    model, alert = one(site, number)
    return row(model, alert, site.clock.now())


def row(model: str, alert: Alert, now: datetime) -> AlertRow:
    """Return an alert as it is shown."""
    found, acked, muted = alert.finding, alert.acked, alert.muted
    state = alert.state(now)
    mute = muted if state is State.MUTED else None
    return AlertRow(
        number=alert.number,
        model=model,
        kind=found.kind,
        name=findings.plain(found.name),
        version=alert.version,
        severity=alert.severity.name,  # type: ignore[arg-type]
        state=state.value,
        text=found.text,
        value=found.value,
        limit=found.limit,
        n=found.n,
        since=iso(alert.since),
        seen=iso(alert.seen),
        looks=alert.looks,
        sure=findings.sureness(found),
        cost=found.cost,
        because=found.because,
        next=[] if alert.ended else _next(model, alert),
        opened=iso(alert.opened) if alert.opened else None,
        ended=iso(alert.ended) if alert.ended else None,
        why_ended=alert.why_ended,
        acked_by=acked.by if acked else None,
        acked_at=iso(acked.at) if acked else None,
        ack_reason=acked.reason if acked else "",
        muted_by=mute.by if mute else None,
        muted_until=iso(mute.until) if mute and mute.until else None,
        mute_reason=mute.reason if mute else "",
    )


def one(site: Control, number: int) -> tuple[str, Alert]:
    """Return an alert with its model; UnknownError where there is none of that number."""
    found = site.ledger.alerts.of_number(number)
    if found is None:
        raise UnknownError(
            f"Looking for alert {number}: there is none. List them with cdml alerts.",
            code="unknown_alert",
            field="number",
        )
    return found


def _next(model: str, alert: Alert) -> list[str]:
    """Return the commands for an alert, the likeliest first, quieting it last."""
    helping = [text.format(model=model) for text in _BY_KIND.get(alert.finding.kind, _ELSE)]
    if alert.opened is None:
        return helping
    quieting = [f"cdml alert ack {alert.number} --reason T", f"cdml alert mute {alert.number}"]
    return [*helping, *quieting]
