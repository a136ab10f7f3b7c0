"""A person quiets an alert: acknowledges or mutes it. Each is a change with its audit entry."""

from dataclasses import replace
from datetime import timedelta

import msgspec

from engine.clock import iso
from engine.domain.alerts import Alert, Quiet
from engine.errors import ConflictError, InvalidError, RefusedError
from engine.ledger.change import Actor
from engine.pipeline import requests
from engine.pipeline.alert_page import one, row
from engine.pipeline.site import Control
from engine.quantities import duration
from engine.wire import AlertAnswer, AlertRequest

MUTED_FOR = "1d"


def ack(site: Control, number: int, actor: Actor, asked: AlertRequest) -> AlertAnswer:
    """Quiet an alert until it ends or grows worse: somebody knows."""
    if asked.for_ is not None:
        raise InvalidError(
            f"Acknowledging alert {number} for {asked.for_[:40]}: that holds until it ends or "
            f"grows worse. Leave --for out, or write cdml alert mute {number} --for TIME.",
            code="no_time",
            field="for",
        )
    return _quieted(site, number, actor, asked, "ack", None)


def mute(site: Control, number: int, actor: Actor, asked: AlertRequest) -> AlertAnswer:
    """Say nothing of an alert for a time, nor of one that follows it; it is still recorded.

    A mute for no time lifts the mute.
    """
    try:
        length = duration(asked.for_ or MUTED_FOR)
    except InvalidError as e:
        raise InvalidError(
            f"Muting alert {number}: {e.message}", code=e.code, field="for"
        ) from None
    return _quieted(site, number, actor, asked, "mute", length)


def _quieted(
    site: Control,
    number: int,
    actor: Actor,
    asked: AlertRequest,
    verb: str,
    length: timedelta | None,
) -> AlertAnswer:
    model, _ = one(site, number)
    requests.check_key(site, verb, model, asked.idempotency_key)
    if (before := site.ledger.answered(asked.idempotency_key)) is not None:
        return _same(number, msgspec.convert(before, type=AlertAnswer))
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(
        actor, verb, model, now=now, wall=wall, reason=asked.reason, key=asked.idempotency_key
    ) as change:
        _, alert = one(site, number)
        _check_stands(alert, verb)
        if verb == "ack" and alert.acked is not None:
            change.drop()
            text = f"already acknowledged by {alert.acked.by} since {iso(alert.acked.at)[:16]}Z"
            return AlertAnswer(row(model, alert, now), 0, changed=False, message=text)
        quiet = Quiet(str(actor), now, asked.reason, None if length is None else now + length)
        after = replace(alert, acked=quiet) if length is None else replace(alert, muted=quiet)
        site.ledger.alerts.replace(after)
        until = f"muted until {iso(quiet.until)[:16]}Z" if quiet.until else "acknowledged"
        until = until if length is None or length else "no longer muted"
        text = f"alert {number} {until}: {alert.finding.text}"
        answer = AlertAnswer(row(model, after, now), change.seq, changed=True, message=text)
        change.answer, change.detail["alert"] = answer, number
    site.tell("ACT", "alert", model, f"{actor}: {text}")
    return answer


def _check_stands(alert: Alert, verb: str) -> None:
    if alert.ended is None and alert.opened is not None:
        return
    found = (
        f"it ended {iso(alert.ended)[:16]}Z, {alert.why_ended}"
        if alert.ended
        else f"it is none yet: found in {alert.looks} of {alert.rule.patience} looks"
    )
    what = "Acknowledging" if verb == "ack" else "Muting"
    raise RefusedError(
        f"{what} alert {alert.number}: {found}. Nothing was changed. See what stands with cdml "
        "alerts.",
        code="alert_ended" if alert.ended else "alert_pending",
        field="number",
    )


def _same(number: int, before: AlertAnswer) -> AlertAnswer:
    if before.alert.number != number:
        raise ConflictError(
            f"Quieting alert {number}: its key was used for alert {before.alert.number}. Nothing "
            "was changed. Send a fresh key with each request.",
            code="key_reused",
            field="idempotency_key",
        )
    return before
