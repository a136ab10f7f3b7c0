"""Starting an engine: lock first, serving second, and only then what is slow to import.

Predictions are answered again half a second sooner, and a second engine is refused at once.
"""

import os
import sys
from pathlib import Path

from engine import keys, logs
from engine.clock import Clock, SimulatedClock, SystemClock, parse_time
from engine.errors import CorruptError, InvalidError, RefusedError
from engine.ledger.ledger import Ledger
from engine.serving import last_good
from engine.serving_process import ALONE, Kept, ServingProcess
from engine.upgrading import Before
from engine.workspace import Workspace

# An answer on the control socket takes many short turns, and the loader of the log has the
# interpreter between them: each turn waits this long for it.
SWITCH_S = 0.0005


def run(
    root: Path,
    *,
    simulated: str | None = None,
    seed: int = 0,
    kept: Kept = ALONE,
) -> int:
    """Run the engine on a workspace until it is told to stop; return the exit code."""
    sys.setswitchinterval(SWITCH_S)
    os.umask(0o027)  # predictions and labels are for the owner and the group only
    workspace = Workspace(root)
    found = last_good.found(workspace)
    settings = found.settings
    workspace.check_owner()
    workspace.create(list(settings.models))
    logs.into_file(workspace.logs / "engine.log")
    with workspace.locked():
        _check_ledger(workspace)
        wall = SystemClock().wall()
        before = Before(workspace.aside, wall)
        ledger = Ledger(workspace.ledger, before=before)
        clock: Clock = SystemClock()
        if simulated is not None:
            clock = SimulatedClock(parse_time(ledger.meta("sim_now") or simulated))
        fixed = seed if simulated is not None else None
        serving = ServingProcess(workspace, clock, settings.serving.listen, fixed, kept)
        serving.start()
        said = {"settings": found.fault, "keys": keys.mended(workspace, wall)}

        # What was measured with one seed is measured again with the same.
        seed = int(ledger.meta("seed") or seed)
        from engine.daemon import Engine

        # Opening the metric store may take a core and the disk for a while: not before this one.
        serving.wait()
        try:
            engine = Engine(workspace, settings, ledger, clock, serving, seed, said, before)
        except (RefusedError, InvalidError):
            serving.abandon()  # a workspace that is not ours to run is not ours to serve
            raise
        return engine.run()


def _check_ledger(workspace: Workspace) -> None:
    """Refuse to begin an empty ledger beside versions that another one has known."""
    if not workspace.ledger.exists() and any(workspace.artifacts.glob("*.sig")):
        raise CorruptError(
            f'Starting on "{workspace.root}": "{workspace.ledger.name}" is gone, and with it who '
            "leads and who decided what, though signed versions are there. Nothing was started. "
            "Put the file back, or bring a backup back with cdml restore.",
            code="ledger_gone",
        )
