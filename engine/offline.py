"""`cdml rollback --offline`: the same transaction, written while the engine is dead.

Serving is nudged, and obeys the ledger by itself should the nudge be lost.
"""

import os
import sys
from pathlib import Path

import msgspec

from engine.api.origin import this_user
from engine.artifacts import Artifacts
from engine.clock import Clock, SimulatedClock, SystemClock, parse_time
from engine.errors import CdmlError, InvalidError, UnavailableError
from engine.exits import Arguments, guarded
from engine.ledger.ledger import Ledger
from engine.pipeline import requests
from engine.pipeline.rollback import rollback
from engine.pipeline.site import Control
from engine.serving_process import ServingProcess
from engine.settings import Settings, load
from engine.upgrading import Before
from engine.wire import Change, ChangeAnswer
from engine.workspace import Workspace


def main(argv: list[str]) -> int:
    """Run the verb and return its exit code."""
    os.umask(0o027)  # as the engine writes
    return guarded(lambda: _run(argv), as_json="--json" in argv)


def _run(argv: list[str]) -> int:
    parser = Arguments(prog="cdml rollback --offline", description="Roll back without an engine.")
    parser.add_argument("model", nargs="?")
    parser.add_argument("-w", "--workspace", default=".", metavar="DIR")
    parser.add_argument("--offline", action="store_true")
    parser.add_argument("--to", metavar="VERSION")
    parser.add_argument("--before", metavar="TIME", help="to one trained on rows before TIME")
    parser.add_argument("--expect", metavar="VERSION")
    parser.add_argument("--override", action="append", default=[], metavar="GUARD")
    parser.add_argument("--attack", action="store_true", help="taint the version that is left")
    parser.add_argument("--reason", default="")
    parser.add_argument("--key", help="the idempotency key of a change that was asked before")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    workspace = Workspace(Path(given.workspace))
    if not workspace.ledger.exists():
        workspace.require()
    control = _control(workspace)
    model = given.model or _only(control.ledger.models())
    asked = Change(
        given.key or _key(),
        given.expect,
        given.to,
        given.reason,
        attack=given.attack,
        override=given.override,
        before=given.before,
    )
    try:
        requests.check_key(control, "rollback", model, asked.idempotency_key, asked.to)
        answer = rollback(control, model, this_user(), asked)
    except UnavailableError as e:
        if e.code not in ("serving_unreachable", "unconfirmed"):
            raise
        # The ledger holds the change already; asking by the same key would answer the same.
        sys.stderr.write(f"cdml: {e.message}\n")
        answer = msgspec.convert(control.ledger.answered(asked.idempotency_key), type=ChangeAnswer)
    finally:
        control.ledger.close()
    if given.json:
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    else:
        sys.stdout.write(f"{answer.message}\n")
    return 0


def _control(workspace: Workspace) -> Control:
    """Put together what a rollback needs; the metric store is not among it."""
    settings = _settings(workspace)
    ledger = Ledger(workspace.ledger, before=Before(workspace.aside, SystemClock().wall()))
    replayed = ledger.meta("sim_now")
    clock: Clock = SimulatedClock(parse_time(replayed)) if replayed else SystemClock()
    return Control(
        workspace,
        settings,
        ledger,
        Artifacts(workspace.artifacts, workspace.keys),
        clock,
        ServingProcess(workspace, clock, settings.serving.listen, None),
        lambda _: None,
    )


def _settings(workspace: Workspace) -> Settings:
    """Return the settings, or none: a slip in cdml.toml must not be in the way of going back."""
    try:
        return load(workspace.config)
    except CdmlError as e:
        sys.stderr.write(f"cdml: going on without cdml.toml: {e.message}\n")
        return Settings()


def _key() -> str:
    return os.urandom(16).hex()


def _only(models: list[str]) -> str:
    if len(models) != 1:
        raise InvalidError(
            f"Rolling back: {len(models)} models are in the ledger. Name one of: "
            f"{', '.join(models) or 'none'}.",
            code="usage",
            field="model",
        )
    return models[0]
