"""The verb that copies a workspace while it runs."""

from cdml_tui.client import EngineLost
from cdml_tui.output import json_line, line
from cdml_tui.verbs.session import Session


def backup(session: Session) -> int:
    """Copy the workspace into the folder that cdml.toml names, and verify the copy."""
    try:
        made = session.client.back_up()
    except EngineLost as lost:
        hint = "" if lost.sent else " Without an engine: cdml backup --offline"
        raise EngineLost(lost.message + hint, sent=lost.sent) from None
    if session.json:
        json_line(made)
        return 0
    line(f"{made.folder}: {made.files} files, {made.bytes / 2**20:.1f} MiB, verified")
    line(f"bring it back with: cdml restore {made.folder} DIR")
    return 0
