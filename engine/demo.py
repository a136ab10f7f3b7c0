"""`cdml demo`: a scratch workspace on the shipped flights, replayed through the real processes."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import Any

from engine import bad_day, supervisor
from engine.bad_day import BadDay
from engine.clock import iso
from engine.engine_link import EngineLink
from engine.errors import CdmlError, InvalidError, UnavailableError
from engine.exits import Arguments, guarded
from engine.pipeline.features import feature_types
from engine.replay import ASK_S, Replay, Source
from engine.settings import load
from engine.store import excerpts, intake
from engine.summary import summary
from engine.workspace import Workspace

MODEL = "late"
TRAINED_FROM = datetime(2013, 1, 1, tzinfo=UTC)
# The last flights of February have landed: their labels are known, nothing of March is.
START = datetime(2013, 3, 1, 5, tzinfo=UTC)
END = datetime(2014, 1, 1, tzinfo=UTC)
TERMINAL_SPEED = 43_200.0
FIRST_S = 120.0


@dataclass(frozen=True, slots=True)
class Given:
    """The command line, read."""

    headless: bool
    incident: bool
    days: int
    speed: float | None
    seed: int
    json: bool
    workspace: Path | None


def main(argv: list[str]) -> int:
    """Run the demo and return its exit code."""
    return guarded(lambda: _run(_read(argv)), as_json="--json" in argv)


def _read(argv: list[str]) -> Given:
    parser = Arguments(prog="cdml demo", description="See cdml work on a year of real flights.")
    parser.add_argument("--headless", action="store_true", help="no console, as fast as it goes")
    parser.add_argument("--incident", action="store_true", help="a bad day in July, by script")
    parser.add_argument(
        "--days", type=int, help="days replayed: 1 to 306; with --incident: after the way back"
    )
    parser.add_argument("--speed", help="simulated over real time, or max")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("-w", "--workspace", metavar="DIR", help="build it here, not in a scratch")
    given = parser.parse_args(argv)
    headless = given.headless or given.json or not (sys.stdin.isatty() and sys.stderr.isatty())
    usual = bad_day.AFTER if given.incident else (60 if headless else 306)
    days = given.days if given.days is not None else usual
    if not 1 <= days <= 306:
        raise InvalidError(
            f"Starting the demo: --days {days} is not between 1 and 306.", code="usage"
        )
    speed = None if headless else TERMINAL_SPEED
    if given.speed is not None:
        speed = None if given.speed == "max" else _speed(given.speed)
    folder = Path(given.workspace) if given.workspace else None
    return Given(headless, given.incident, days, speed, given.seed, given.json, folder)


def _speed(text: str) -> float:
    with contextlib.suppress(ValueError):
        if float(text) > 0:
            return float(text)
    raise InvalidError(
        f'Starting the demo: --speed "{text}" is neither a number above 0 nor max.', code="usage"
    )


def _run(given: Given) -> int:
    began = time.monotonic()
    # A closed terminal or a kill must end the engine as well.
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, _leave)
    data = flights()
    workspace = _build(given, data)
    start = bad_day.START if given.incident else START
    arguments = ["--simulated", iso(start), "--seed", str(given.seed)]
    say = _teller(given)
    say({"type": "workspace", "text": "building the workspace and training v1"})
    sys.stderr.write(f"workspace: {workspace.root}\n")
    supervisor.detach(workspace.root, arguments)
    end = min(START.replace(hour=0) + timedelta(days=given.days), END)
    try:
        replay = _replay(workspace, data, given, say)
        _train_first(replay, start)
        if given.incident:
            day = BadDay(replay, workspace, given.seed, say)
            _bad_day(day, given, began)
        elif given.headless:
            replay.run(START, end, Event())
            found = summary(replay, workspace, START, end, given.seed)
            say({**found, "wall_s": round(time.monotonic() - began, 1)})
        else:
            _with_console(workspace, lambda stopping: replay.run(START, end, stopping))
    finally:
        _end(workspace)
    return 0


def _bad_day(day: BadDay, given: Given, began: float) -> None:
    if given.headless:
        found = day.run(given.days, Event())
        day.tell({**found, "wall_s": round(time.monotonic() - began, 1)})
    else:
        _with_console(day.workspace, day.leave_to_a_person)


def _leave(number: int, _: FrameType | None) -> None:
    for later in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(later, signal.SIG_IGN)
    raise SystemExit(128 + number)


def flights() -> Path:
    """Return the shipped table: inside the installed package, or beside it in a checkout."""
    here = Path(__file__).parent
    for folder in (here / "_data", here.parent / "data"):
        if (path := folder / "flights_lga.parquet").is_file():
            return path
    raise UnavailableError(
        "Starting the demo: flights_lga.parquet is not in this installation. Install cdml again.",
        code="no_data",
    )


def _build(given: Given, data: Path) -> Workspace:
    """Make the workspace: its cdml.toml, its folders, January and February in the drop folder."""
    if given.workspace is not None and (given.workspace / "cdml.toml").exists():
        raise InvalidError(
            f'Building the demo in "{given.workspace}": there is a workspace already. '
            "Name an empty folder.",
            code="workspace_exists",
        )
    root = given.workspace or Path(tempfile.mkdtemp(prefix="cdml-demo-"))
    workspace = Workspace(root)
    workspace.create([MODEL])
    template = Path(__file__).with_name("demo.toml").read_text(encoding="utf-8")
    if given.incident:
        for shipped, here in bad_day.SETTINGS:
            template = template.replace(shipped, here)
    workspace.config.write_text(template.replace("@PORT@", str(_port(given))), encoding="utf-8")
    until = bad_day.START if given.incident else START
    into = workspace.incoming(MODEL) / f"january-{until - timedelta(days=1):%B}.parquet".lower()
    excerpts.deliver(data, into, "event_time", "label_time", TRAINED_FROM, until)
    return workspace


def _port(given: Given) -> int:
    """Return any free port of the loopback; beside a console 8080 where it is free.

    Headless runs start side by side, and two that both found 8080 free would fight for it.
    """
    for wanted in (0,) if given.headless else (8080, 0):
        with contextlib.suppress(OSError), socket.socket() as trial:
            trial.bind(("127.0.0.1", wanted))
            return int(trial.getsockname()[1])
    raise UnavailableError("Starting the demo: no port is free on 127.0.0.1.", code="no_port")


def _replay(workspace: Workspace, data: Path, given: Given, say: Any) -> Replay:
    settings = load(workspace.config)
    model = settings.models[MODEL]
    source = Source(
        data,
        MODEL,
        list(feature_types(model, _plain_types(data))),
        model.id or "",
        model.time,
        model.label_time or "",
        model.target,
    )
    return Replay(workspace, source, settings.serving.listen, given.speed, say)


def _plain_types(data: Path) -> dict[str, str]:
    return intake.columns(data)


def _train_first(replay: Replay, start: datetime) -> None:
    """Move the clock to the start until the first version answers."""
    deadline = time.monotonic() + FIRST_S
    while time.monotonic() < deadline:
        replay.engine.post("/api/v1/clock", {"now": iso(start)})
        status = replay.engine.get("/api/v1/status")
        if status["models"][0]["champion"] is not None:
            return
        jobs = replay.engine.get("/api/v1/jobs")
        if jobs and jobs[0]["error"]:
            raise CdmlError(f"Training v1 for the demo: {jobs[0]['error']}", code="demo_failed")
    raise UnavailableError("Training v1 for the demo took too long.", code="demo_failed")


def _with_console(workspace: Workspace, play: Callable[[Event], None]) -> None:
    """Replay in the background while the console has the terminal."""
    stopping = Event()
    thread = Thread(target=play, args=(stopping,), daemon=True)
    thread.start()
    sys.stderr.write(f"in a second terminal: cdml -w {workspace.root} status\n")
    time.sleep(0.5)
    console = Path(sys.executable).with_name("cdml")
    command = [str(console)] if console.exists() else [sys.executable, "-m", "cdml_tui"]
    try:
        subprocess.run([*command, "-w", str(workspace.root)], check=False)
    finally:
        stopping.set()
        thread.join(timeout=30.0)


def _end(workspace: Workspace) -> None:
    """Stop the engine; the workspace stays for whoever wants to look at it."""
    with contextlib.suppress(CdmlError):
        EngineLink(workspace.engine_socket, ASK_S).post("/api/v1/stop", {})
    deadline = time.monotonic() + 15.0
    while workspace.holder() is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    sys.stderr.write(
        f"the demo has ended; its workspace stays at {workspace.root} until you remove it\n"
    )


def _teller(given: Given) -> Any:
    """Return what writes one line a fact: JSON, or a sentence; nothing beside a console."""

    def as_json(fact: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(fact, separators=(",", ":")) + "\n")
        sys.stdout.flush()

    def as_text(fact: dict[str, Any]) -> None:
        if fact["type"] == "summary":
            from engine.summary import text

            sys.stdout.write(text(fact) + "\n")
        else:
            head = f"{fact.get('time', '')[:16]} {fact.get('level', ''):<4}"
            sys.stdout.write(f"{head} {fact.get('text', fact['type'])}\n")
        sys.stdout.flush()

    if given.json:
        return as_json
    return as_text if given.headless else lambda _: None
