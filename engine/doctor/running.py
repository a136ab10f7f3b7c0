"""What runs for a workspace: engine, prediction service, its port, and each model's way back."""

import socket
from collections.abc import Iterator

from engine.doctor.finding import Finding, Patient, bad, ok, warn
from engine.errors import UnavailableError
from engine.quantities import address
from engine.serving.control import ServingLink


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
        yield warn("engine", "none runs", f"cdml up -w {w.root}")
    try:
        served = ServingLink(w.serving_socket).status(timeout_s=1.0)
    except UnavailableError:
        state = bad if patient.engine is not None else warn
        yield state("serving", "it does not answer", f"cdml up -w {w.root}")
    else:
        yield ok("serving", f"answers, pid {served.pid}")


def port(patient: Patient) -> Iterator[Finding]:
    """Whether somebody answers at the address that clients were told."""
    listen = patient.settings.serving.listen
    host, number = address(listen)
    runs = patient.engine is not None
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.settimeout(1.0)
        taken = probe.connect_ex((host, number)) == 0 if number else runs
    if taken and not runs:
        yield warn(
            "port", f"{listen} is answered by somebody else", "Stop that, or listen elsewhere."
        )
    elif runs and not taken:
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
