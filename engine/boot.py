"""Starting an engine: lock first, serving second, and only then what is slow to import.

Predictions are answered again half a second sooner, and a second engine is refused at once.
"""

import logging
import os
from pathlib import Path

from engine.clock import Clock, SimulatedClock, SystemClock, parse_time
from engine.errors import InvalidError, RefusedError
from engine.ledger.ledger import Ledger
from engine.serving_process import ALONE, Kept, ServingProcess
from engine.settings import load
from engine.upgrading import Before
from engine.workspace import Workspace


def run(
    root: Path,
    *,
    simulated: str | None = None,
    seed: int = 0,
    kept: Kept = ALONE,
) -> int:
    """Run the engine on a workspace until it is told to stop; return the exit code."""
    os.umask(0o027)  # predictions and labels are for the owner and the group only
    workspace = Workspace(root).require()
    settings = load(workspace.config)
    workspace.create(list(settings.models))
    logging.basicConfig(
        filename=workspace.logs / "engine.log",
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        level=logging.INFO,
    )
    with workspace.locked():
        before = Before(workspace.aside, SystemClock().wall())
        ledger = Ledger(workspace.ledger, before=before)
        clock: Clock = SystemClock()
        if simulated is not None:
            clock = SimulatedClock(parse_time(ledger.meta("sim_now") or simulated))
        fixed = seed if simulated is not None else None
        serving = ServingProcess(workspace, clock, settings.serving.listen, fixed, kept)
        serving.start()

        # What was measured with one seed is measured again with the same.
        seed = int(ledger.meta("seed") or seed)
        from engine.daemon import Engine

        try:
            engine = Engine(workspace, settings, ledger, clock, serving, seed)
        except (RefusedError, InvalidError):
            serving.abandon()  # a workspace that is not ours to run is not ours to serve
            raise
        return engine.run()
