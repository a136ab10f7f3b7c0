"""`cdml note`: say afterwards why the last change of a model was made."""

from cdml_tui.output import json_line, line
from cdml_tui.request_key import new_key
from cdml_tui.verbs.changing import certainly
from cdml_tui.verbs.session import Session
from engine.wire import Change


def note(session: Session) -> int:
    """Write the reason into the audit, and so onto the open incident."""
    change = Change(new_key(), reason=session.args.reason)
    model = session.model()
    answer = certainly(lambda: session.client.change("note", model, change))
    if session.json:
        json_line(answer)
    else:
        line(f"{model}: {answer.message} (audit {answer.audit_seq})")
    return 0
