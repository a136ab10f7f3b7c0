"""`cdml report`: a model between two moments as one HTML file; and how a report is written."""

from pathlib import Path

from cdml_tui.client import ConsoleError
from cdml_tui.output import json_line, line, out
from cdml_tui.verbs.session import Session, usage


def report(session: Session) -> int:
    """Write the report to a file, or to stdout with --out -."""
    args = session.args
    if not args.out:
        raise usage("write cdml report [MODEL] --out FILE.html, or --out - for stdout.", "out")
    found = session.client.model_report(session.model(), args.from_, args.to)
    if args.out != "-":
        write_file(args.out, found.html, "out")
    if session.json:
        json_line(found)
    elif args.out == "-":
        out().write(found.html)
    else:
        line(f"the report of {found.model}, {found.from_} to {found.to}, is in {args.out}")
    return 0


def write_file(target: str, text: str, field: str) -> None:
    """Write a report to a file of the user's choice; a ConsoleError says why it could not be."""
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as fault:
        raise ConsoleError(
            "file_not_writable",
            f'Writing the report "{target}": {fault.strerror}. Name a file that can be written.',
            field,
            422,
        ) from None
