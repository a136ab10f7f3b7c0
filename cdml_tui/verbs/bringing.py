"""The verbs that bring a version in or stop that: canary, abort, roll-through, approve, reject."""

from cdml_tui.output import json_line, line, table
from cdml_tui.request_key import new_key
from cdml_tui.verbs.changing import certainly, changed
from cdml_tui.verbs.session import Session, usage
from engine.wire import Change, Guardrail, RolloutPage

_SHOWN_LOOKS = 12


def canary(session: Session) -> int:
    """Have a version answer a share; without --share, the next step of the policy."""
    return _of_version(session, "canary", share_pct=session.args.share)


def approve(session: Session) -> int:
    """Say yes to the step that waits."""
    return _of_version(session, "approve")


def reject(session: Session) -> int:
    """Say no to a version that waits."""
    return _of_version(session, "reject")


def abort(session: Session) -> int:
    """Stop canary and shadow."""
    return _of_model(session, "abort")


def roll_through(session: Session) -> int:
    """Promote the canary now, because the champion is sick."""
    return _of_model(session, "roll-through")


def _of_version(session: Session, verb: str, share_pct: float | None = None) -> int:
    args = session.args
    if not 1 <= len(args.words) <= 2:
        raise usage(f"write cdml {verb} [MODEL] VERSION.", "version")
    model, words = session.model_and(args.words, lambda words: len(words) == 1)
    if not words:
        raise usage(f"which version of {model}? Write cdml {verb} {model} VERSION.", "version")
    change = Change(
        new_key(),
        expect=args.expect,
        to=words[0],
        reason=args.reason,
        override=["freeze"] if getattr(args, "override_freeze", False) else [],
        share_pct=share_pct,
    )
    return changed(session, certainly(lambda: session.client.change(verb, model, change)))


def _of_model(session: Session, verb: str) -> int:
    args = session.args
    change = Change(
        new_key(),
        expect=args.expect,
        reason=args.reason,
        override=["freeze"] if getattr(args, "override_freeze", False) else [],
    )
    model = session.model()
    return changed(session, certainly(lambda: session.client.change(verb, model, change)))


def rollout(session: Session) -> int:
    """Show the rollout that runs: its evidence against its boundaries, and what follows."""
    page = session.client.rollout(session.model())
    if session.json:
        json_line(page)
        return 0
    line(_head(page))
    if page.waiting:
        line(f"waits for a person {page.waiting}: cdml approve {page.model} {page.version}")
    if page.why:
        line(f"{page.decision}: {page.why}")
    table(
        ["GUARDRAIL", "VERDICT", "ACTS", "VALUE", "LOW", "HIGH", "BOUNDARY", "N", "FOUND"],
        [
            [
                *(g.name, g.verdict, "yes" if g.acting else "no", g.value, g.low, g.high),
                *(g.boundary, g.n, g.text),
            ]
            for g in page.guardrails
        ],
    )
    for guardrail in page.guardrails:
        _path(guardrail)
    table(
        ["SHARE %", "ROWS", "SHOWS 1 % -> 3 % AFTER ROWS", "MINUTES"],
        [[s.share_pct, s.rows, s.detect_rows, s.detect_minutes] for s in page.plan],
    )
    return 0


def _head(page: RolloutPage) -> str:
    if page.phase == "none":
        how = f"; {page.version} {page.ended}" if page.version else ""
        return f"{page.model}: no rollout runs, mode {page.mode}{how}"
    share = f" at {page.share_pct:g} %" if page.phase == "canary" else ""
    return (
        f"{page.model}: {page.version} is {page.phase}{share} beside champion {page.champion} "
        f"since {page.since or 'just now'}, mode {page.mode}"
    )


def _path(guardrail: Guardrail) -> None:
    """Write the last looks in a line: n, and the value or its bounds there."""
    looks = [
        f"{look.n}: {look.value:.3g}"
        if look.low is None or look.high is None or look.value is None
        else f"{look.n}: [{look.low:.3g}, {look.high:.3g}]"
        for look in guardrail.looks[-_SHOWN_LOOKS:]
    ]
    if looks:
        line(f"{guardrail.name} by rows  {'  '.join(looks)}")
