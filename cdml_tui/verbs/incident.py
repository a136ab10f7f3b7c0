"""`cdml incident`: list the incidents, show one, add a note, close it, write its report."""

from cdml_tui.output import cell, json_line, line, table
from cdml_tui.verbs.report import write_file
from cdml_tui.verbs.session import Session, usage
from engine.wire import IncidentPage, NoteRequest


def incident(session: Session) -> int:
    """Do what the words say; without a number, list."""
    args = session.args
    wanted = args.note is not None or args.close or args.report is not None
    if not args.words and not wanted:
        return _list(session)
    if len(args.words) != 1 or not args.words[0].isdigit():
        raise usage("write cdml incident N, N being a number of cdml incident.", "number")
    number = int(args.words[0])
    if args.note is not None or args.close:
        page = session.client.note(number, NoteRequest(args.note or "", args.close))
        if args.report is None and not session.json:
            return _noted(page)
    else:
        page = session.client.incident(number)
    if args.report is not None:
        return _report(session, number, args.report)
    return _show(session, page)


def _list(session: Session) -> int:
    rows = session.client.incidents()
    if session.json:
        json_line(rows)
        return 0
    table(
        ["N", "MODEL", "VERSION", "OPENED", "CLOSED", "TITLE"],
        [[r.number, r.model, r.version, r.opened, r.closed or "open", r.title] for r in rows],
    )
    return 0


def _noted(page: IncidentPage) -> int:
    """Write what was added; the whole is a long read."""
    row, last = page.row, page.timeline[-1]
    ended = f"closed {cell(row.closed)}" if row.closed else "open"
    line(f"incident {row.number} of {row.model}: {ended}; last: {last.author}, {last.text}")
    return 0


def _show(session: Session, page: IncidentPage) -> int:
    if session.json:
        json_line(page)
        return 0
    row = page.row
    line(f"incident {row.number} of {row.model}: {row.title}")
    ended = f"closed {cell(row.closed)}" if row.closed else "open"
    line(f"opened {cell(row.opened)}, {ended}; champion when it began: {row.version or 'none'}")
    table(
        ["TIME", "WHO", "KIND", "WHAT"],
        [[n.time, n.author, n.kind, n.text] for n in page.timeline],
    )
    return 0


def _report(session: Session, number: int, target: str) -> int:
    found = session.client.report(number)
    if target == "-" and not session.json:
        line(found.text.rstrip())
        return 0
    if target != "-":
        write_file(target, found.text, "report")
    if session.json:
        json_line(found)
    else:
        line(f"the report of incident {number} is in {target}")
    return 0
