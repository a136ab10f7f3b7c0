"""One change, asked of the engine; and what its answer makes of the screen."""

from collections.abc import Callable
from pathlib import Path

from cdml_tui import answers
from cdml_tui.client import Client, ConsoleError
from cdml_tui.effects import Step
from cdml_tui.state import Intent, Screen
from engine import wire

Take = Callable[[Screen, float], Step]


def send(client: Client, intent: Intent) -> Take:
    """Ask for a change; a ConsoleError says why it was not made, or that no answer came."""
    match intent.verb:
        case "train" | "cancel":
            return _run(client, intent)
        case "ack" | "mute":
            return _quiet(client, intent)
        case "annotate":
            return _note(client, intent)
        case "report":
            return _report(client, intent)
        case "accept" | "discard":
            return _decide(client, intent)
        case "taint":
            return _taint(client, intent)
    answer = client.change(intent.verb, intent.model, change_of(intent))
    return lambda s, at: answers.change_answered(s, intent, answer, at)


def change_of(intent: Intent) -> wire.Change:
    """Write an intent as the request that carries what the operator saw."""
    return wire.Change(
        idempotency_key=intent.idempotency_key,
        expect=intent.from_version,
        to=intent.to,
        reason=intent.reason if intent.verb != "undo" else "",
        no_way_back="no_way_back" in intent.override,
        override=list(intent.override),
    )


def _said(intent: Intent, said: str, *, changed: bool = True) -> Take:
    return lambda s, at: answers.said_answered(s, intent, said, changed=changed, at=at)


def _run(client: Client, intent: Intent) -> Take:
    request = wire.RunRequest(intent.idempotency_key, reason=intent.reason)
    if intent.verb == "train":
        run = client.start("train", intent.model, request)
        return _said(intent, f"{run.job} of {run.model}, run {run.id}, {run.state}")
    run = client.cancel(intent.about, request)
    done = "is cancelled" if run.ended_at else "is being cancelled"
    return _said(intent, f"{run.job} of {run.model}, {run.id}, {done}")


def _quiet(client: Client, intent: Intent) -> Take:
    number = intent.alert.number if intent.alert else 0
    request = wire.AlertRequest(intent.idempotency_key, reason="in the console")
    answer = client.quiet(intent.verb, number, request)
    return _said(intent, answer.message, changed=answer.changed)


def _note(client: Client, intent: Intent) -> Take:
    page = client.note(int(intent.about), wire.NoteRequest(intent.reason))
    last = page.timeline[-1]
    return _said(intent, f"noted on incident {page.row.number} by {last.author}: {last.text}")


def _report(client: Client, intent: Intent) -> Take:
    """Write the report beside where the console was started, under a name of its own."""
    found = client.report(int(intent.about))
    path = Path.cwd() / f"incident-{found.number}.md"
    try:
        path.write_text(found.text, encoding="utf-8")
    except OSError as fault:
        raise ConsoleError(
            "file_not_writable",
            f'Writing the report "{path}": {fault.strerror}. Start the console in a folder that '
            f"can be written, or take {intent.same_as}.",
            status=422,
        ) from None
    return _said(intent, f'the report of incident {found.number} is in "{path}"')


def _decide(client: Client, intent: Intent) -> Take:
    request = wire.QuarantineRequest(
        intent.idempotency_key,
        "accept" if intent.verb == "accept" else "discard",
        intent.about,
        intent.reason,
    )
    answer = client.quarantine(intent.model, request)
    return _said(intent, answer.message, changed=answer.changed)


def _taint(client: Client, intent: Intent) -> Take:
    request = wire.TaintRequest(intent.idempotency_key, batch=intent.about, reason=intent.reason)
    answer = client.taint(intent.model, request)
    reached = f"; reaches {', '.join(answer.versions)}" if answer.versions else ""
    said = answer.message or f"batch {intent.about} of {intent.model} is tainted"
    return _said(intent, said + reached, changed=answer.changed)
