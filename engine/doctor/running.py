"""What runs for a workspace: engine, prediction service, its port, and each model's way back."""

import socket
from collections.abc import Iterator

from engine.doctor.finding import Finding, Patient, bad, ok, warn
from engine.errors import UnavailableError
from engine.ledger.ledger import Ledger
from engine.quantities import address
from engine.serving.control import ServingLink, ServingStatus
from engine.workspace import Workspace


def processes(patient: Patient) -> Iterator[Finding]:
    """Engine and prediction service: there, answering, as one."""
    w = patient.workspace
    holder = w.holder()
    if patient.engine is not None:
        yield ok("engine", f"ready, pid {patient.engine['engine']['pid']}")
    elif holder is not None:
        yield bad(
            "engine", f"pid {holder} holds the workspace and does not answer",
            "Look in logs/engine.log; the supervisor starts it again when it is killed.",
        )  # fmt: skip
    else:
        yield _absent(w)
    served = _served(w)
    if served is None:
        state = bad if patient.engine is not None else warn
        yield state("serving", "it does not answer", f"cdml up -w {w.root}")
    else:
        yield ok("serving", f"answers, pid {served.pid}")


def _absent(workspace: Workspace) -> Finding:
    """Return that no engine runs: bad where it was not stopped but died."""
    mend = f"cdml up -w {workspace.root}, or start its service again"
    if workspace.ledger.exists():
        ledger = Ledger(workspace.ledger, readonly=True)
        died = ledger.meta("engine")
        ledger.close()
        if died:
            return bad("engine", f"none runs: {died} died unasked", mend)
    return warn("engine", "none runs", mend)


def _served(workspace: Workspace) -> ServingStatus | None:
    try:
        return ServingLink(workspace.serving_socket).status(timeout_s=1.0)
    except UnavailableError:
        return None


def port(patient: Patient) -> Iterator[Finding]:
    """Whether somebody answers at the address that clients were told."""
    listen = patient.settings.serving.listen
    host, number = address(listen)
    runs = patient.engine is not None
    serves = _served(patient.workspace) is not None
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.settimeout(1.0)
        taken = probe.connect_ex((host, number)) == 0 if number else runs
    if taken and not serves:
        yield (bad if runs else warn)(
            "port", f"{listen} is taken, and not by a prediction service that answers",
            "Held by cdml up or a socket of systemd: look in logs/serving.log, or journalctl. "
            "By another program: stop that, or set serving.listen.",
        )  # fmt: skip
    elif (runs or serves) and not taken:
        yield bad("port", f"nobody answers at {listen}", "Look in logs/serving.log.")
    else:
        yield ok("port", f"{listen} {'answers' if taken else 'is free'}")


def ways_back(patient: Patient) -> Iterator[Finding]:
    """Whether R would work now, model by model."""
    for model in (patient.engine or {}).get("models", []):
        plan, name = model["rollback"], f"way back of {model['model']}"
        if plan["ready"]:
            yield ok(name, f"{plan['from_version']} -> {plan['to']}, proven")
        elif model["champion"] is None:
            yield ok(name, "no version serves yet")
        else:
            failed = [f"{c['name']}: {c['found']}" for c in plan["checks"] if not c["ok"]]
            mend = f"cdml train {model['model']}; promote a second version."
            yield warn(name, "; ".join([plan["why"] or "not ready", *failed]), mend)
