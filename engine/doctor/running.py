"""What runs for a workspace: engine, prediction service, its port, and each model's way back."""

import socket
from collections.abc import Iterator

from engine.artifacts import Artifacts
from engine.clock import SystemClock
from engine.doctor.finding import Finding, Patient, bad, ok, warn
from engine.errors import UnavailableError
from engine.ledger.ledger import Ledger
from engine.pipeline.past import Unheard
from engine.pipeline.site import Control
from engine.pipeline.way_back import target
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
            f"cdml logs engine -w {w.root} says what it does. Where it hangs: kill {holder}; its "
            "supervisor starts it again, predictions go on.",
        )  # fmt: skip
    else:
        yield _absent(w)
    served = _served(w)
    if served is None:
        state = bad if patient.engine is not None else warn
        mend = f"cdml up -w {w.root}; cdml logs serving -w {w.root} says why it does not start."
        yield state("serving", "it does not answer", mend)
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
    """Whether the prediction service, and nobody else, answers where clients were told."""
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
    """Whether R would work now, model by model; without an engine, as far as files tell."""
    if patient.engine is None:
        yield from _by_files(patient)
        return
    for model in patient.engine["models"]:
        plan, name = model["rollback"], f"way back of {model['model']}"
        if plan["ready"] and all(c["ok"] for c in plan["checks"]):
            yield ok(name, f"{plan['from_version']} -> {plan['to']}, proven")
        elif model["champion"] is None:
            yield ok(name, "no version serves yet")
        else:
            failed = [f"{c['name']}: {c['found']}" for c in plan["checks"] if not c["ok"]]
            to = f"to {plan['to']}" if plan["ready"] else plan["why"] or "not ready"
            yield warn(name, "; ".join([to, *failed]), _second(model["model"]))


def _by_files(patient: Patient) -> Iterator[Finding]:
    w = patient.workspace
    ledger = Ledger(w.ledger, readonly=True)
    try:
        control = Control(w, patient.settings, ledger, Artifacts(w.artifacts, w.keys),
                          SystemClock(), Unheard(), lambda _: None)  # fmt: skip
        for model in ledger.models():
            roles, name = ledger.roles(model), f"way back of {model}"
            if roles.champion is None:
                yield ok(name, "no version serves yet")
                continue
            found, passed = target(control, model, roles)
            if found is not None:
                said = f"{roles.champion} -> {found.version}, its files are whole"
                yield ok(name, f"{said}; more is known while the engine runs")
            else:
                why = [f"{p.version}: {p.why}" for p in passed] or ["there is no former version"]
                yield warn(name, "; ".join(why), _second(model))
    finally:
        ledger.close()


def _second(model: str) -> str:
    return (
        f"What is named is in the way; cdml show {model} VERSION says more. A newer version gives "
        f"another way back: cdml train {model} --wait, then cdml promote {model} VERSION."
    )
