"""The verbs that set and lift locks: hold, resume, freeze, thaw, pin, unpin, taint."""

from cdml_tui.output import cell, json_line, line, table
from cdml_tui.request_key import new_key
from cdml_tui.verbs.changing import certainly
from cdml_tui.verbs.session import Session, usage
from engine.wire import Lock, LockAnswer, LockRequest, Taint, TaintRequest

EVERYWHERE = "*"


def hold(session: Session) -> int:
    """Forbid automatic replacement of the champion."""
    return _locked(session, "hold", session.model())


def resume(session: Session) -> int:
    """Lift a hold."""
    return _locked(session, "resume", session.model())


def freeze(session: Session) -> int:
    """Forbid every automatic change, of a model or of the whole engine."""
    return _locked(session, "freeze", session.args.model or EVERYWHERE)


def thaw(session: Session) -> int:
    """Lift a freeze."""
    return _locked(session, "thaw", session.args.model or EVERYWHERE)


def pin(session: Session) -> int:
    """Keep the champion even from being replaced by hand."""
    words = session.args.words
    if len(words) > 2:
        raise usage("write cdml pin [MODEL] [VERSION].", "version")
    model, rest = session.model_and(words, lambda words: len(words) <= 1)
    return _locked(session, "pin", model, rest[0] if rest else None)


def unpin(session: Session) -> int:
    """Lift a pin."""
    return _locked(session, "unpin", session.model())


def _locked(session: Session, verb: str, model: str, version: str | None = None) -> int:
    request = LockRequest(new_key(), session.args.reason, version)
    answer = certainly(lambda: session.client.lock(verb, model, request))
    if session.json:
        json_line(answer)
        return 0
    _stand(answer)
    if answer.message:
        line(f"{_named(answer.model)}: {answer.message}")
    return 0


def _stand(answer: LockAnswer) -> None:
    for lock in answer.locks:
        line(f"{_named(answer.model)}: {lock_text(lock)} since {cell(lock.since)}: {lock.reason}")
    if not answer.locks and not answer.message:
        line(f"{_named(answer.model)}: no locks")


def _named(model: str) -> str:
    return "the whole engine" if model == EVERYWHERE else model


def lock_text(lock: Lock) -> str:
    """Name a lock with what it holds and who set it."""
    whole = " of the whole engine" if lock.everywhere else ""
    return f"{lock.kind}{f' {lock.version}' if lock.version else ''}{whole} by {lock.owner}"


def stopped_text(lock: Lock) -> str:
    """Say what a lock has stopped so far, nothing where it stopped nothing."""
    parts = [f"{s.action} x{s.count}" if s.count > 1 else s.action for s in lock.suppressed]
    return f"; stopped {', '.join(parts)}" if parts else ""


def taint(session: Session) -> int:
    """Taint rows, a batch or a version, lift a taint, or list them."""
    args, model = session.args, session.model()
    wanted = (args.from_, args.to, args.batch, args.version, args.lift)
    if all(value is None for value in wanted):
        return _list(session, session.client.taints(model))
    request = TaintRequest(new_key(), *wanted, args.reason)
    answer = certainly(lambda: session.client.taint(model, request))
    if session.json:
        json_line(answer)
        return 0
    line(f"{model}: {answer.message}")
    return 0


def _list(session: Session, found: list[Taint]) -> int:
    if session.json:
        json_line(found)
        return 0
    table(
        ["TAINT", "WHAT", "FROM", "TO", "VERSIONS", "OWNER", "SINCE", "LIFTED", "REASON"],
        [
            [
                *(t.number, t.version or (t.batch and f"batch {t.batch[:8]}") or "rows"),
                *(t.from_, t.to, t.touches, t.owner, t.since, t.lifted, t.reason),
            ]
            for t in found
        ],
    )
    return 0
