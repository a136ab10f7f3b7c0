"""`cdml doctor`: everything an operator would look at, and how to mend what is not well."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from engine.doctor import files, machine, running, told
from engine.doctor.finding import Finding, Patient, bad
from engine.engine_link import EngineLink
from engine.errors import CdmlError
from engine.exits import Arguments, guarded
from engine.settings import Settings, load
from engine.workspace import Workspace

ASK_S = 3.0
CHECKS: tuple[Callable[[Patient], Iterator[Finding]], ...] = (
    machine.disk,
    machine.file_system,
    machine.clock,
    machine.limits,
    files.rights,
    files.audit,
    files.versions,
    files.store,
    files.log,
    files.copies,
    files.retention,
    files.packages,
    running.processes,
    running.port,
    running.ways_back,
    told.targets,
    told.numbers,
)
_SIGNS = {"ok": "ok  ", "warn": "warn", "bad": "BAD "}


def main(argv: list[str]) -> int:
    """Run the verb; return 1 where something is bad."""
    return guarded(lambda: _run(argv), as_json="--json" in argv)


def _run(argv: list[str]) -> int:
    parser = Arguments(prog="cdml doctor", description="Look at everything, say how to mend it.")
    parser.add_argument("-w", "--workspace", default=".", metavar="DIR")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    found = examined(Workspace(Path(given.workspace)).require())
    if given.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        sys.stdout.write("\n".join(_text(found)) + "\n")
    return int(any(f.state == "bad" for f in found))


def examined(workspace: Workspace) -> list[Finding]:
    """Look at everything; what cannot be looked at is bad, and hides nothing else."""
    settings, found = _settings(workspace)
    try:
        engine = EngineLink(workspace.engine_socket, ASK_S).get("/api/v1/state")
    except CdmlError:
        engine = None
    patient = Patient(workspace, settings, engine)
    # Each waits for other things: files, sockets, the hash of a version.
    with ThreadPoolExecutor(len(CHECKS)) as pool:
        parts = pool.map(lambda check: _looked(check, patient), CHECKS)
        return [*found, *(finding for part in parts for finding in part)]


def _settings(workspace: Workspace) -> tuple[Settings, list[Finding]]:
    """Return the settings; while cdml.toml has a mistake, the last good ones and the mistake."""
    try:
        return load(workspace.config), []
    except CdmlError as e:
        last_good = workspace.run / "cdml.toml"
        if not last_good.exists():
            raise
        mend = "Mend it and see with cdml check; until then the last good one counts."
        return load(last_good), [bad("settings", e.message, mend)]


def _looked(check: Callable[[Patient], Iterator[Finding]], patient: Patient) -> list[Finding]:
    name = check.__name__.replace("_", " ")
    found: list[Finding] = []
    try:
        found += check(patient)
    except CdmlError as e:
        found.append(bad(name, e.message, "Mend that first, then ask again."))
    except OSError as e:
        said = f"{e.strerror} on {e.filename}" if e.filename else str(e)
        found.append(bad(name, said, "Give this user the right to look there, then ask again."))
    return found


def _text(found: list[Finding]) -> Iterator[str]:
    width = max(len(f.name) for f in found)
    for f in found:
        yield f"{_SIGNS[f.state]}  {f.name:{width}}  {f.found}"
        if f.mend:
            yield f"      {'':{width}}  -> {f.mend}"
    worst = [sum(f.state == s for f in found) for s in ("bad", "warn")]
    yield f"{len(found)} looked at: {worst[0]} bad, {worst[1]} to be looked after"
