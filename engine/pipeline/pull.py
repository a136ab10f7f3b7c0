"""Asking a model's source for rows: its query, in a job, or the prediction log with its labels."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from engine.clock import iso, parse_time
from engine.errors import RefusedError
from engine.pipeline.ingest import ingest
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.settings_source import SourceSettings
from engine.store import archive, batches, logged, querying
from engine.store.logged import Logged, Span, Special

T = TypeVar("T")
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class PullInputs(msgspec.Struct, frozen=True):
    """What a job is handed to ask a query: the files by name, the database, the newest row."""

    sql: str
    files: dict[str, list[str]]
    database: str | None
    since: str | None


class Pulled(msgspec.Struct, frozen=True):
    """How many rows a query returned, into pulled.parquet."""

    rows: int


class Asking(Protocol):
    """What a pull needs of its run."""

    @property
    def id(self) -> str:
        """Return the run's id."""

    @property
    def model(self) -> str:
        """Return the model it is for."""

    @property
    def folder(self) -> Path:
        """Return where its process leaves what it makes."""

    def work(self, verb: str, inputs: object, answer: type[T]) -> T:
        """Run a measuring verb in a limited process and return its checked answer."""


def pull(site: Site, run: Asking) -> tuple[str, bool]:
    """Ask the source once and take in what is new; return what to say, and whether rows came."""
    source = site.model(run.model).source
    if source is None:
        raise RefusedError(
            f"Asking the source of {run.model}: cdml.toml names none. Write a table "
            f"[models.{run.model}.source], or put files into "
            f'"{site.workspace.incoming(run.model)}".',
            code="no_source",
        )
    if source.log:
        return _from_log(site, run, source)
    inputs = _inputs(site, run.model, source)
    found = run.work("pull", inputs, Pulled)
    if not found.rows:
        return "the source has no new rows", False
    path, name = run.folder / "work" / "pulled.parquet", f"source-{run.id}.parquet"
    return _taken(site, run, path, name, query=_query(source, inputs.since))


def asked(inputs: PullInputs, folder: Path) -> Pulled:
    """Ask a query, inside its job."""
    work = folder / "work"
    work.mkdir(exist_ok=True)
    into = work / "pulled.parquet"
    into.unlink(missing_ok=True)
    files = {name: [Path(p) for p in paths] for name, paths in inputs.files.items()}
    database = Path(inputs.database) if inputs.database else None
    since = parse_time(inputs.since) if inputs.since else None
    return Pulled(querying.query(inputs.sql, files, database, since, into))


def _query(source: SourceSettings, since: str | None) -> str:
    """Return what a query was asked of, and with what, in one text for people."""
    over = [f"{name} = {path}" for name, path in source.files.items()]
    over += [f"source = {source.database}"] if source.database else []
    since = f"since = {since}" if since else "since = null"
    return f"{(source.sql or '').strip()}\n-- {'; '.join([*over, since])}"


def wanted(site: Site, model: str) -> str | None:
    """Return the cause by which new accepted rows ask for a training: always the first ones."""
    if site.ledger.roles(model).champion is None:
        return "first data"
    return "new data" if "new_data" in site.model(model).train.on else None


def _inputs(site: Site, model: str, source: SourceSettings) -> PullInputs:
    root = site.workspace.root
    files = {name: _named(root, path) for name, path in source.files.items()}
    for name, paths in files.items():
        if not paths:
            raise RefusedError(
                f'Asking the source of {model}: there is no file "{source.files[name]}", which '
                f"source.files calls {name}. Nothing was asked. Put it there, or mend the path.",
                code="no_source",
            )
    ends = [b.time_to for b in batches.known(site.store, model) if b.time_to is not None]
    since = iso(max(ends)) if ends else None
    database = str(root / source.database) if source.database else None
    return PullInputs(source.sql or "", files, database, since)


def _named(root: Path, path: str) -> list[str]:
    """Return the files of a path from cdml.toml on, which may have wildcards, by name."""
    place = root / path
    if place.is_file():
        return [str(place)]
    anchor = Path(place.anchor)
    return [str(p) for p in sorted(anchor.glob(str(place.relative_to(anchor)))) if p.is_file()]


def _from_log(site: Site, run: Asking, source: SourceSettings) -> tuple[str, bool]:
    """Take in what of the log became mature since the last time, unless decisions made it so."""
    settings, now = site.model(run.model), site.clock.now()
    mark = f"pulled {run.model}"
    after = site.ledger.meta(mark)
    span = Span(parse_time(after) if after else NEVER, now, duration(settings.label_maturity))
    found = logged.count(site.store, run.model, span, source.influences)
    if not found.rows:
        return f"the log has no newly mature labels{_gone(site, run.model, span)}", False
    _check(run.model, found, source)
    columns = batches.columns(site.store, run.model)
    into = site.workspace.batches / f".{run.id}.part"
    special = Special(settings.target, settings.time, settings.label_time, settings.id)
    try:
        logged.write(site.store, run.model, span, columns, special, into)
        gone = _gone(site, run.model, span)
        noted = (
            f"from the prediction log{gone}: of {found.influenced} of {found.rows} rows the "
            "decision may have changed the outcome"
        )
        since = f"after {after}" if after else "from the first on"
        query = f"prediction log joined with labels that became mature {since} until {iso(now)}"
        taken = _taken(site, run, into, f"log-{run.id}.parquet", [noted], query)
    finally:
        into.unlink(missing_ok=True)
    site.ledger.set_meta(mark, iso(now))
    return taken


def _gone(site: Site, model: str, span: Span) -> str:
    """Say from when on the log has rows, where older ones might have been asked for."""
    begin = archive.horizon(site.store, model)
    if begin is None or begin <= span.after:
        return ""
    return f" (answers before {begin:%Y-%m-%d} have left it for history/predictions/{model}/)"


def _check(model: str, found: Logged, source: SourceSettings) -> None:
    """Raise RefusedError where too many outcomes may be of the service's own making."""
    share = found.influenced / found.rows
    if share <= source.influence_limit:
        return
    unsaid = (
        ""
        if source.influences is not None
        else (" source.influences does not say which decisions change nothing, so all count.")
    )
    raise RefusedError(
        f"Taking in the prediction log of {model}: of {found.influenced} of {found.rows} rows "
        f"({share:.1%}) the decision may have changed the outcome, at most "
        f"{source.influence_limit:.1%} are allowed.{unsaid} Nothing was taken in: a model trained "
        "on them would learn its own doing. Name the decisions that do, leave a random share "
        "undecided, or raise source.influence_limit.",
        code="feedback",
    )


def _taken(
    site: Site, run: Asking, path: Path, name: str, noted: Sequence[str] = (), query: str = ""
) -> tuple[str, bool]:
    """Take a file in under a name that says where it is from."""
    folder = site.workspace.incoming(run.model) / f".{run.id}"
    folder.mkdir(exist_ok=True)
    named = folder / name
    try:
        path.rename(named)
        answer = ingest(site, run.model, named, noted, query)
    finally:
        named.unlink(missing_ok=True)
        folder.rmdir()
    rows = f", {answer.rows} rows" if answer.rows else ""
    why = f": {answer.reasons[0]}" if answer.reasons else ""
    said = f"{name} {answer.verdict.replace('_', ' ')}{rows}{why}"
    return said, answer.verdict.startswith("accepted")
