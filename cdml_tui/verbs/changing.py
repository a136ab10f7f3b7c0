"""The verbs that change who serves: promote, rollback, undo, hold, resume, reload, down."""

import fcntl
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cdml_tui.client import Client, ConsoleError, EngineLost
from cdml_tui.output import json_line, line, talk
from cdml_tui.request_key import new_key
from cdml_tui.verbs.session import Session, usage
from engine.wire import Change, ChangeAnswer

T = TypeVar("T")

_STOP_S = 30.0


def promote(session: Session) -> int:
    """Make a version the champion; without one named, the one that is ready."""
    args = session.args
    if len(args.words) > 2:
        raise usage("write cdml promote [MODEL] [VERSION].", "version")
    override = [*args.override, *(["freeze"] if args.override_freeze else [])]
    if override and not args.reason:
        raise usage("an override needs a --reason.", "reason")
    model, words = session.model_and(args.words, lambda words: len(words) <= 1)
    to, expect = (words[0], args.expect) if words else _ready(session, model)
    change = Change(
        idempotency_key=new_key(),
        to=to,
        expect=args.expect or expect,
        reason=args.reason,
        no_way_back=args.no_way_back,
        override=override,
    )
    return changed(session, certainly(lambda: session.client.change("promote", model, change)))


def _ready(session: Session, model: str) -> tuple[str, str | None]:
    """Return the one version that may be promoted now, and the champion it was ready against."""
    state = next((m for m in session.client.state().models if m.model == model), None)
    if state is None:
        raise ConsoleError("unknown_model", f'Promoting in "{model}": no such model.', "model", 404)
    ready = [version for version, plan in state.promote.items() if plan.ready]
    if len(ready) == 1:
        return ready[0], state.champion
    if ready:
        raise usage(f"{len(ready)} versions of {model} are ready: {', '.join(ready)}. Name one.")
    why = "; ".join(f"{version}: {plan.why}" for version, plan in state.promote.items())
    raise ConsoleError(
        "nothing_ready",
        f"Promoting in {model}: no version is ready. {why or 'There is no candidate'}. "
        f"Look with cdml versions {model}.",
        "version",
        409,
    )


def rollback(session: Session) -> int:
    """Take the champion back to the last known good version and hold it there."""
    args = session.args
    change = Change(
        idempotency_key=new_key(),
        to=args.to,
        expect=args.expect,
        reason=args.reason,
        attack=args.attack,
        override=args.override,
        before=args.before,
    )
    try:
        model = session.model()
        ask = session.client.change
        return changed(session, certainly(lambda: ask("rollback", model, change)))
    except EngineLost as lost:
        named = args.model or "MODEL"
        raise EngineLost(
            f"{lost.message} Without an engine: cdml rollback {named} --offline", sent=lost.sent
        ) from None


def undo(session: Session) -> int:
    """Take back the last change, within a minute of it."""
    change = Change(
        idempotency_key=new_key(),
        expect=session.args.expect,
        reason=session.args.reason,
        override=["freeze"] if session.args.override_freeze else [],
    )
    model = session.model()
    return changed(session, certainly(lambda: session.client.change("undo", model, change)))


def reload(session: Session) -> int:
    """Have the engine read cdml.toml again."""
    session.client.reload()
    _plain(session, "reloaded", "cdml.toml is read again")
    return 0


def down(session: Session) -> int:
    """Stop engine and serving; done when nobody answers and the workspace is free again."""
    session.client.stop()
    until = time.monotonic() + _STOP_S
    while time.monotonic() < until:
        if _silent(session.client) and _free(session.client.socket.with_name("lock")):
            _plain(session, "stopped", "the engine has stopped")
            return 0
        time.sleep(0.05)
    raise ConsoleError(
        "still_running",
        f"Stopping the engine: it is still there after {_STOP_S:.0f} s. Look in logs/engine.log.",
    )


def _silent(client: Client) -> bool:
    try:
        client.status()
    except EngineLost as lost:
        return not lost.sent
    except ConsoleError:
        return False  # it still answers, if only to say that it is stopping
    return False


def _free(lock: Path) -> bool:
    """Say whether no engine holds the workspace, so that the next one can start at once."""
    try:
        with lock.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


def certainly(ask: Callable[[], T]) -> T:
    """Ask once more where the answer was lost; the idempotency key makes that safe."""
    try:
        return ask()
    except EngineLost as lost:
        if not lost.sent:
            raise
        talk(f"{lost.message} Asking again with the same key.")
    try:
        return ask()
    except EngineLost as lost:
        raise ConsoleError(
            "outcome_unknown",
            "Changing who serves: the request was sent and the answer was lost twice, so the "
            f"outcome is UNKNOWN ({lost.message}) Look with cdml status before anything else.",
            status=503,
        ) from None


def changed(session: Session, answer: ChangeAnswer) -> int:
    """Write what a change did."""
    if session.json:
        json_line(
            {
                "model": answer.model,
                "from": answer.from_,
                "to": answer.to,
                "generation": answer.generation,
                "audit_seq": answer.audit_seq,
                "changed": answer.changed,
            }
        )
    elif answer.changed:
        way = f"{answer.from_ or 'nothing'} -> {answer.to or 'nothing'}"
        if answer.from_ == answer.to:
            way = f"{answer.to or 'nothing'} stays champion"
        line(f"{answer.model}: {way}, generation {answer.generation}, audit {answer.audit_seq}")
    if not session.json and (answer.message or not answer.changed):
        line(answer.message or f"{answer.model}: nothing changed, {answer.to} serves already")
    return 0


def _plain(session: Session, word: str, text: str) -> None:
    if session.json:
        json_line({word: True})
    else:
        line(text)
