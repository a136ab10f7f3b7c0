"""Who is told of what happens, and where Prometheus reads: a pager that is dead says nothing."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.doctor.finding import Finding, Patient, bad, ok, warn
from engine.engine_link import EngineLink
from engine.errors import InvalidError
from engine.quantities import address
from engine.telemetry import secrets

ASK_S = 3.0


def targets(patient: Patient) -> Iterator[Finding]:
    """Each target of [notify]: its URL or program is there, and its last message arrived."""
    wanted = patient.settings.notify
    if not wanted.targets:
        yield ok("told", "nobody besides the console: cdml.toml has no [notify.targets.NAME]")
    known = _known(patient)
    for name, own in wanted.targets.items():
        row, about = known.get(name, {}), f"told {name}"
        if row.get("missing"):
            said = f"{row['missing']}; {row['waiting']} facts wait"
            yield bad(about, said, f"Mend it, then cdml notify test {name}.")
        elif own.exec and _program(patient.workspace.root, own.exec[0]) is None:
            yield bad(about, f'"{own.exec[0]}" is no program here', "Write its whole path.")
        elif not own.exec and (fault := _unreadable(patient, name)):
            yield bad(about, fault, f"Then cdml notify test {name}.")
        elif row.get("sent"):
            yield ok(about, f"{row['sent']} messages, the last {row['last'][:16]}Z")
        else:
            yield warn(about, "nothing was told yet", f"cdml notify test {name} shows it works.")


def numbers(patient: Patient) -> Iterator[Finding]:
    """The port on which Prometheus reads the engine's numbers, where there is to be one."""
    listen = patient.settings.telemetry.listen
    if listen is None or patient.engine is None:
        return
    host, number = address(listen)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.settimeout(1.0)
        answered = probe.connect_ex((host, number)) == 0
    if answered:
        yield ok("metrics", f"{listen} answers")
    else:
        yield bad("metrics", f"nobody answers at {listen}", "See cdml events; then cdml reload.")


def _known(patient: Patient) -> dict[str, dict[str, Any]]:
    if patient.engine is None:
        return {}
    rows = EngineLink(patient.workspace.engine_socket, ASK_S).get("/api/v1/notify")
    return {row["target"]: row for row in rows}


def _program(root: Path, name: str) -> str | None:
    return shutil.which(str(root / name) if "/" in name else name)


def _unreadable(patient: Patient, name: str) -> str:
    """Return why the URL of a target cannot be read, without a word of it; empty where it can."""
    try:
        secrets.of_target(patient.workspace.root / patient.settings.notify.secrets, name)
    except InvalidError as e:
        return e.message
    return ""
