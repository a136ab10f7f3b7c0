"""`cdml notify`: who is told of what happens, and whether that works."""

from cdml_tui.output import json_line, line, table
from cdml_tui.verbs.session import Session, usage


def notify(session: Session) -> int:
    """List the targets, or tell one or all of them something now; exit 1 where that failed."""
    match session.args.words:
        case []:
            rows, failed = session.client.notify(), False
        case ["test", *name] if len(name) < 2:
            rows = session.client.notify(name[0] if name else "")
            failed = any(row.missing for row in rows)
        case _:
            raise usage("write cdml notify, or cdml notify test [NAME].", "words")
    if session.json:
        json_line(rows)
        return int(failed)
    if not rows:
        line("nobody is told: cdml.toml has no [notify.targets.NAME]")
        return 0
    table(
        ["TARGET", "BY", "LEVEL", "KINDS", "SENT", "FAILED", "DROPPED", "WAITING", "LAST"],
        [[r.target, r.by, r.level, r.kinds or None, r.sent, r.failed, r.dropped, r.waiting, r.last]
         for r in rows],
    )  # fmt: skip
    for row in rows:
        if row.missing:
            line(f"{row.target}: {row.missing}")
    return int(failed)
