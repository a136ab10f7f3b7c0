"""What grows by itself, kept as long as cdml.toml says: looked at once a day, told when it acts."""

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from engine.clock import iso, parse_time
from engine.domain.locks import EVERYWHERE
from engine.pipeline import locks
from engine.pipeline.load import note_tide
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.store import archive, runs
from engine.telemetry.engine_metrics import JOB_BUCKETS

LAST = "retention"
EVERY = timedelta(days=1)
# So much of the file may hold nothing: then it is half as large again as what lives in it.
FREE_SHARE = 1 / 3
FREE_FLOOR = 16 * 2**20


def due(site: Site, steady: timedelta) -> bool:
    """Say whether a day has passed since it was looked at, by a clock that is believed.

    After a jump of the clock, or a start long after the last look, the date may be wrong and all
    rows look old: nothing is let go of until it has been `steady` for a day.
    """
    last = site.ledger.meta(LAST)
    if last is None:
        return True
    age = site.clock.wall() - parse_time(last)
    if timedelta(0) <= age < 2 * EVERY:
        return age >= EVERY
    return steady >= EVERY


def keep(site: Site) -> str:
    """Let go of what is older than cdml.toml keeps; return what that was.

    A freeze stops it. A store that lacks rows is left alone, and so is a model that is frozen.
    """
    if site.suspect or locks.stops(site, EVERYWHERE, "retention", "let go of what is old"):
        return ""
    said = [*_answers(site), *_records(site), *_files(site)]
    if compacted := compact(site):
        said.append(compacted)
    note_tide(site)
    site.ledger.set_meta(LAST, iso(site.clock.wall()))
    if said:
        site.tell("ACT", "retention", None, "; ".join(said))
    return "; ".join(said)


def compact(site: Site) -> str:
    """Give the room of what has gone back to the disk where it is too much of the file."""
    site.store.checkpoint()
    total, free = archive.room(site.store)
    live = total - free
    if free < FREE_FLOOR or free < FREE_SHARE * total:
        return ""
    disk = shutil.disk_usage(site.workspace.root).free
    if disk < live + FREE_FLOOR:
        return (
            f"metrics.duckdb is {total >> 20} MiB of which {free >> 20} hold nothing; copying it "
            f"takes {live >> 20} MiB and {disk >> 20} are free: free disk space"
        )
    site.store.compact()
    after, _ = archive.room(site.store)
    return f"metrics.duckdb copied to a new file, {total >> 20} -> {after >> 20} MiB"


def _answers(site: Site) -> Iterator[str]:
    """Move the answers that are old to history/, and delete there what is older still."""
    settings = site.settings.retention
    until = (site.clock.now() - duration(settings.predictions)).date()
    oldest = (site.clock.now() - duration(settings.archive)).date()
    # One that cdml.toml no longer names is let go of like the others.
    for model in sorted({*site.settings.models, *site.ledger.models()}):
        old = archive.days(site.store, model, until)
        if old and locks.stops(site, model, "retention", "let go of old answers"):
            continue
        rows = sum(archive.archive(site.store, model, day, site.clock.wall()) for day in old)
        if old:
            yield f"{model}: answers of {_span(old)} moved to history/, {rows} rows"
        if gone := archive.forget(site.store, model, oldest):
            yield f"{model}: history/ of {_span(gone)} deleted"
    if strangers := archive.forget_strangers(site.store, datetime.combine(until, time(), UTC)):
        yield f"{strangers} labels without a row, from before {until}, deleted"


def _span(days: list[date]) -> str:
    return f"{days[0]}" if len(days) == 1 else f"{len(days)} days, {days[0]} to {days[-1]}"


def _records(site: Site) -> Iterator[str]:
    until = site.clock.now() - duration(site.settings.retention.records)
    gone = archive.forget_records(site.store, until, JOB_BUCKETS)
    events = site.ledger.forget_events(until)
    if gone or events:
        yield f"{gone} rows of looks and runs and {events} events before {until:%Y-%m-%d} deleted"


def _files(site: Site) -> Iterator[str]:
    """Delete refused files, evidence of damages and folders of runs whose time is over."""
    settings, w, wall = site.settings.retention, site.workspace, site.clock.wall()
    refused = [p for folder in (w.root / "quarantine").glob("*") for p in folder.iterdir()]
    aside = list(w.aside.glob("*"))
    kept = {run.id for run in runs.unfinished(site.store)}
    folders = [p for p in w.runs.iterdir() if p.name not in kept]
    for name, found, length in (
        ("quarantine/ and aside/", [*refused, *aside], settings.refused),
        ("runs/", folders, settings.records),
    ):
        old = [p for p in found if _older(p, wall - duration(length))]
        for path in old:
            _delete(path)
        if old:
            yield f"{len(old)} of {name} deleted"


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _older(path: Path, moment: datetime) -> bool:
    return path.stat().st_mtime < moment.timestamp()
