"""`cdml keys`: the console's keys as this operator has them, and what of console.toml is wrong."""

from cdml_tui.actions import ACTIONS, command_for, key_rows
from cdml_tui.output import json_line, table, talk
from cdml_tui.preferences import read
from cdml_tui.verbs.session import Session


def keys(session: Session) -> int:
    """List the keys, each with the command that does the same; exit 2 where some are left out."""
    liked = read()
    rows = key_rows(liked.keys)
    if session.json:
        json_line(
            [
                {
                    "name": row.name,
                    "keys": row.presses,
                    "help": row.help,
                    "danger": row.danger,
                    "command": row.command,
                    "on": row.on,
                }
                for row in rows
            ]
        )
    else:
        table(
            ["ACTION", "KEY", "DOES", "SAME AS"],
            [
                [row.name, " ".join(row.keys), row.help, command_for(action, None, None)]
                for row, action in zip(rows, ACTIONS, strict=True)
            ],
        )
    if liked.warning:
        talk(liked.warning)
    return 2 if liked.problems else 0
