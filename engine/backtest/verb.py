"""`cdml backtest`: what policies would have done with a model's history, side by side."""

import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from engine.backtest import past, workers
from engine.backtest.course import Done, read_done
from engine.backtest.figures import Found
from engine.backtest.plan import (
    ALWAYS,
    CURRENT,
    FROZEN,
    Plan,
    beginning,
    periods,
    settings_of,
    step,
)
from engine.backtest.result import result
from engine.backtest.sheet import sheet
from engine.backtest.words import text
from engine.clock import iso, parse_end, parse_time
from engine.errors import InvalidError, UnknownError
from engine.exits import Arguments, guarded
from engine.pipeline import transform_source
from engine.quantities import duration
from engine.settings import load
from engine.store import history
from engine.store.history import History
from engine.workspace import Workspace

ABOUT = """Replay a model's history through the same steps as live, with a simulated clock, once for
each policy, and say what would have happened. frozen keeps the first version, always promotes every
version, current is cdml.toml as it is, any other name is one of [policies.NAME]. The workspace is
not touched and no engine is needed."""
SCRATCH = ("policies", "fits", "past", "batches")
WIDTH = 24


@dataclass(frozen=True, slots=True)
class Given:
    """The command line, read."""

    workspace: Workspace
    model: str
    since: str | None
    until: str | None
    policies: list[str]
    files: list[Path]
    out: Path | None
    seed: int
    json: bool


def main(argv: list[str]) -> int:
    """Run the verb and return its exit code."""
    return guarded(lambda: _run(_read(argv)), as_json="--json" in argv)


def _read(argv: list[str]) -> Given:
    parser = Arguments(prog="cdml backtest", description=ABOUT, allow_abbrev=False)
    parser.add_argument("model", nargs="?", metavar="MODEL")
    parser.add_argument("-w", "--workspace", default=".", metavar="DIR")
    parser.add_argument("--from", dest="since", metavar="T", help="the first moment replayed")
    parser.add_argument("--to", dest="until", metavar="T", help="the end; of a day alone, its end")
    parser.add_argument("--policy", action="append", default=[], metavar="P", help="once for each")
    parser.add_argument("--data", nargs="+", action="extend", default=[], metavar="FILE")
    parser.add_argument("--out", metavar="DIR", help="for backtest.json and backtest.html")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    given = parser.parse_args(argv)
    workspace = Workspace(Path(given.workspace)).require()
    known = list(load(workspace.config).models)
    model = given.model or (known[0] if len(known) == 1 else "")
    if model not in known:
        raise UnknownError(
            f'Looking for model "{model[:80]}": cdml.toml has no such model. '
            f"Name one of: {', '.join(known) or 'none there is'}.",
            code="unknown_model",
            field="model",
        )
    if given.seed < 0:
        raise InvalidError(f"Reading --seed {given.seed}: it must not be below 0.", code="usage")
    policies = list(dict.fromkeys(given.policy)) or [FROZEN, ALWAYS, CURRENT]
    out = Path(given.out).absolute() if given.out else None
    files = [Path(p) for p in given.data]
    return Given(
        workspace, model, given.since, given.until, policies, files, out, given.seed, given.json
    )


def _run(given: Given) -> int:
    for policy in given.policies:
        settings_of(given.workspace.config, given.model, policy)
    if given.out is not None:
        _say(given, _made(given, given.out))
        return 0
    with tempfile.TemporaryDirectory(prefix="cdml-backtest-") as folder:
        _say(given, _made(given, Path(folder)))
    return 0


def _say(given: Given, found: Found) -> None:
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n" if given.json else text(found))


def _made(given: Given, out: Path) -> Found:
    """Run the backtest in a folder, or go on with the one that was begun there."""
    began = time.monotonic()
    _check_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    if (out / "backtest.json").exists():
        _clear(out)
        (out / "backtest.json").unlink()
    source = _written(given, out)
    plan = _plan(given, out)
    _settle(plan, out)
    workers.run(plan, _bar(plan) if sys.stderr.isatty() else lambda _: None)
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    done: dict[str, Done] = {name: read_done(plan, name) for name in plan.policies}
    found = result(plan, done, source, time.monotonic() - began)
    if given.out is not None:
        (out / "backtest.html").write_text(sheet(found), encoding="utf-8")
        part = out / ".backtest.json.part"
        part.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        part.rename(out / "backtest.json")
        sys.stderr.write(f"written: {out}/backtest.json and backtest.html\n")
    _clear(out)
    return found


def _check_folder(out: Path) -> None:
    """Refuse a folder of something else: a backtest clears away what it has made."""
    ours = {
        "backtest.json",
        "backtest.html",
        "plan.json",
        "history.parquet",
        "source.json",
        *SCRATCH,
    }
    if out.exists() and not out.is_dir():
        raise InvalidError(f'Writing to "{out}": it is a file. Name a folder.', code="bad_folder")
    strangers = (
        [p.name for p in out.iterdir() if p.name not in ours and p.name[0] != "."]
        if out.exists()
        else []
    )
    if strangers:
        raise InvalidError(
            f'Writing to "{out}": it holds something else ("{strangers[0][:60]}"). Nothing was '
            "changed. Name a new folder with --out.",
            code="bad_folder",
            field="out",
        )


def _clear(out: Path) -> None:
    for name in SCRATCH:
        shutil.rmtree(out / name, ignore_errors=True)
    for name in ("history.parquet", "plan.json", "source.json"):
        (out / name).unlink(missing_ok=True)


def _written(given: Given, out: Path) -> list[str]:
    """Write the history, unless a backtest that goes on has it; return where it came from."""
    noted = out / "source.json"
    if noted.exists() and (out / "history.parquet").exists():
        return msgspec.json.decode(noted.read_bytes(), type=list[str])
    settings = load(given.workspace.config)
    found = past.write(given.workspace, settings, given.model, given.files, out)
    noted.write_bytes(msgspec.json.encode(found))
    return found


def _plan(given: Given, out: Path) -> Plan:
    config = given.workspace.config
    own = load(config).models[given.model]
    span = history.span(
        History(
            out / "history.parquet", own.target, own.time, own.label_time, own.id,
            duration(own.label_maturity),
        )
    )  # fmt: skip
    since = parse_time(given.since) if given.since else beginning(span)
    until = parse_end(given.until) if given.until else _after(span.last)
    until = min(until, _after(span.last))
    if not span.first < since < until:
        raise InvalidError(
            f"Beginning a backtest of {given.model} at {iso(since)}: its history reaches from "
            f"{iso(span.first)} to {iso(span.last)}, and rows before and after are needed. Choose "
            "--from and --to within.",
            code="bad_time",
            field="from",
        )
    transform = transform_source.digest(config.parent, own.transform)
    settings = hashlib.sha256(config.read_bytes() + transform.encode()).hexdigest()
    steps = min(
        step(settings_of(config, given.model, p).models[given.model], since, until)
        for p in given.policies
    )
    return Plan(
        given.model, str(config), str(out), given.policies, periods(since, until),
        steps / timedelta(seconds=1), given.seed, settings,
    )  # fmt: skip


def _after(last: datetime) -> datetime:
    """Return the midnight after the last row."""
    return last.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _settle(plan: Plan, out: Path) -> None:
    """Note what is being done; what was begun here with other words is not mixed with it."""
    noted = out / "plan.json"
    if noted.exists():
        if msgspec.json.decode(noted.read_bytes(), type=Plan) == plan:
            return
        for name in ("policies", "fits"):
            shutil.rmtree(out / name, ignore_errors=True)
    noted.write_bytes(msgspec.json.encode(plan))


def _bar(plan: Plan) -> Callable[[Mapping[str, float]], None]:
    """Return what draws the progress of all policies on one line, with the time left."""
    began = time.monotonic()

    def show(shares: Mapping[str, float]) -> None:
        whole = sum(shares.values()) / len(shares)
        left = (time.monotonic() - began) * (1.0 - whole) / whole if whole > 0.02 else None
        bar = "#" * round(WIDTH * whole)
        each = "  ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())
        said = f"about {left:.0f} s left" if left is not None else ""
        sys.stderr.write(
            f"\r\x1b[K{plan.model} [{bar:<{WIDTH}}] {100 * whole:3.0f} %  {each}  {said}"
        )
        sys.stderr.flush()

    return show
