"""`cdml alerts` and `cdml alert`: what stands, quieting it, the rules tried on the past."""

from cdml_tui.output import cell, json_line, line, table
from cdml_tui.request_key import new_key
from cdml_tui.verbs.changing import certainly
from cdml_tui.verbs.session import Session, usage
from engine.wire import AlertReplay, AlertRequest, AlertRow


def alerts(session: Session) -> int:
    """List the alerts that stand, or what today's rules would have raised."""
    args = session.args
    if args.replay:
        return _replay(session, session.model())
    if args.from_ is not None or args.to is not None:
        raise usage("--from and --to are of --replay.", "replay")
    answer = session.client.alerts(args.model, everything=args.all)
    if session.json:
        json_line(answer)
        return 0
    if not answer.alerts:
        line("no alert" if args.all else "no alert stands")
    else:
        table(
            ["ID", "MODEL", "LEVEL", "STATE", "SINCE", "LOOKS", "WHAT"],
            [[a.number, a.model, a.severity, _state(a), a.since, a.looks, a.text]
             for a in answer.alerts],
        )  # fmt: skip
    for model, said in answer.promise.items():
        line(f"{model}: {said}")
    return 0


def _state(row: AlertRow) -> str:
    """Return the state of an alert and what belongs to it."""
    match row.state:
        case "acknowledged":
            return f"acknowledged by {row.acked_by}"
        case "muted":
            return f"muted by {row.muted_by} until {cell(row.muted_until)}"
        case "ended":
            return f"ended {cell(row.ended)}"
    return row.state


def alert(session: Session) -> int:
    """Show one alert, acknowledge or mute it."""
    args, words = session.args, session.args.words
    verb = words[0] if len(words) == 2 else "show"
    if not 1 <= len(words) <= 2 or verb not in ("show", "ack", "mute") or not words[-1].isdigit():
        raise usage("write cdml alert [ack|mute] ID, ID being a number of cdml alerts.", "number")
    number = int(words[-1])
    if verb == "show":
        if args.for_ is not None or args.reason:
            raise usage("--for and --reason are of ack and mute.", "number")
        return _show(session, session.client.alert(number))
    request = AlertRequest(new_key(), args.for_, args.reason)
    answer = certainly(lambda: session.client.quiet(verb, number, request))
    if session.json:
        json_line(answer)
    else:
        line(f"{answer.alert.model}: {answer.message}")
    return 0


def _show(session: Session, row: AlertRow) -> int:
    if session.json:
        json_line(row)
        return 0
    line(f"alert {row.number} of {row.model} {row.version}: {row.severity} {row.text}")
    opened = "" if row.opened in (None, row.since) else f", an alert since {cell(row.opened)}"
    line(f"since {cell(row.since)}{opened}, found in {row.looks} looks, last {cell(row.seen)}")
    line(f"state: {_state(row)}{f', {row.why_ended}' if row.why_ended else ''}")
    for head, text in (
        ("acknowledged", row.ack_reason), ("muted", row.mute_reason), ("how sure", row.sure),
        ("costs", row.cost), ("moved", row.because),
    ):  # fmt: skip
        if text:
            line(f"{head}: {text}")
    for at, step in enumerate(row.next):
        line(f"{'next:' if at == 0 else '     '} {step}")
    return 0


def _replay(session: Session, model: str) -> int:
    found = session.client.alert_replay(model, session.args.from_, session.args.to)
    if session.json:
        json_line(found)
        return 0
    if found.missing:
        line(f"{model}: {found.missing}")
        return 0
    line(f"{model}: {found.looks} looks from {cell(found.from_)} to {cell(found.to)}")
    _raised(found)
    line(found.promise)
    return 0


def _raised(found: AlertReplay) -> None:
    table(
        ["LEVEL", "SINCE", "ENDED", "OUTCOME", "DAYS EARLY", "WHAT"],
        [[a.severity, a.since, a.ended, a.outcome, a.lead_days, a.text] for a in found.alerts],
    )
    table(
        [
            "KIND",
            "RAISED",
            "A YEAR",
            "TOLD",
            "STOOD %",
            "EARLY",
            "LATE",
            "FALSE",
            "MEAN DAYS EARLY",
        ],
        [
            [
                k.kind,
                k.raised,
                k.a_year,
                k.told,
                100 * k.stood,
                k.early,
                k.late,
                k.false,
                k.lead_days,
            ]
            for k in found.kinds
        ],
    )
