"""The verbs that decide about what was delivered: quarantine, schema."""

from cdml_tui.output import json_line, line, table
from cdml_tui.request_key import new_key
from cdml_tui.verbs.changing import certainly
from cdml_tui.verbs.session import Session, usage
from engine.wire import LockRequest, QuarantineRequest, SchemaAnswer, SchemaChange

_VERBS = ("accept", "discard")


def quarantine(session: Session) -> int:
    """List the files that are set aside, or accept or discard one."""
    model, words = session.model_and(session.args.words, _decides)
    if not words:
        return _list(session, model)
    if not _decides(words):
        raise usage("write cdml quarantine [MODEL] [accept|discard BATCH --reason T].", "batch")
    request = QuarantineRequest(new_key(), words[0], words[1], session.args.reason)  # type: ignore[arg-type]
    answer = certainly(lambda: session.client.quarantine(model, request))
    if session.json:
        json_line(answer)
    else:
        line(f"{model}: {answer.message}")
    return 0 if answer.changed else 4


def _decides(words: list[str]) -> bool:
    return not words or (len(words) == 2 and words[0] in _VERBS)


def _list(session: Session, model: str) -> int:
    found = session.client.quarantined(model)
    if session.json:
        json_line(found)
        return 0
    for row in found:
        line(f"{row.batch}  {row.file}  received {row.received}")
        for said in [*row.reasons, *row.commands]:
            line(f"  {said}")
    if not found:
        line(f"{model}: nothing is set aside")
    return 0


def schema(session: Session) -> int:
    """Show the columns and what is proposed, or approve that."""
    model = session.model()
    if session.args.approve:
        request = LockRequest(new_key(), session.args.reason)
        answer = certainly(lambda: session.client.approve_schema(model, request))
    else:
        answer = session.client.schema(model)
    if session.json:
        json_line(answer)
        return 0
    _show(answer)
    return 0


def _show(answer: SchemaAnswer) -> None:
    by = f" since {answer.since}, by {answer.approved_by}" if answer.since else ""
    line(f"{answer.model}: columns, version {answer.version}{by}")
    table(["COLUMN", "TYPE"], [[name, kind] for name, kind in answer.columns.items()])
    for version in answer.versions[1:]:
        line(
            f"version {version.version}, {version.since}, by {version.by}: {_said(version.changes)}"
        )
    if answer.proposed:
        line(f'"{answer.file}" differs: {_said(answer.proposed)}')
    for command in answer.commands:
        line(f"  {command}   puts that in force for the files to come")


def _said(changes: list[SchemaChange]) -> str:
    return ", ".join(
        f"- {c.column} {c.now}" if c.then is None else f"+ {c.column} {c.then}" for c in changes
    )
