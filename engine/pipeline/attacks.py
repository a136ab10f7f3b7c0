"""Attack signs in what clients ask: read once from the log as it grows, told as incidents.

A few thousand rows at a time, however fast the log grows; it never acts.
"""

from datetime import timedelta

import msgspec

from engine.clock import iso, parse_time
from engine.domain.attacks import CROWDED, FEWEST, INDEPENDENT, WINDOW, Kind, Sent, signs
from engine.errors import CdmlError
from engine.pipeline import signs as told
from engine.pipeline.sent import BIN, POINT, Client, Row, Watched
from engine.pipeline.signs import Sign
from engine.pipeline.site import Site
from engine.stats import probing
from engine.stats.probing import CROWD, Reference
from engine.store import batches, predictions, sample
from engine.store.predictions import Asking
from engine.wire import ClientRow, ClientsAnswer, Scalar

AT_ONCE = 5_000
AT_MOST = 20_000
DRAWN = 20_000
NEWEST = 20 * WINDOW
BATCH_ROWS = 300_000
FEWEST_TRAINED = 1_000
QUIET = timedelta(days=1)
ASKED = frozenset({Kind.PROBING, Kind.EXTRACTION})
_features = msgspec.json.Decoder(dict[str, Scalar])


def watch(site: Site, model: str) -> None:
    """Look at what clients sent since the last look; begin and end signs."""
    champion = site.ledger.roles(model).champion
    if champion is None:
        return
    watched = site.watched.get(model)
    if watched is None or watched.version != champion:
        watched = site.watched[model] = _begun(site, model, champion)
    if watched.known is None:
        return
    for name, client in _read(site, model, watched, watched.known):
        _judge(site, model, name, client, client.measure(watched.known))
    _forget_silent(site, model)


def clients(site: Site, model: str) -> ClientsAnswer:
    """Return every client in memory with what was last measured of it, suspects first."""
    site.model(model)
    watched = site.watched.get(model)
    if watched is None:
        return ClientsAnswer(model, [], "nothing was asked since the engine started")
    standing = [s for s in told.standing(site, model) if s.kind in ASKED]
    with watched.lock:
        known = list(watched.clients.by_name.items())
        rows = [_row(name, client, standing) for name, client in known]
    rows.sort(key=lambda r: (not r.signs, -r.total, r.client))
    return ClientsAnswer(model, rows, watched.missing)


def _row(name: str, client: Client, standing: list[Sign]) -> ClientRow:
    mine = [s for s in standing if s.subject == name]
    n, found = len(client.rows), client.measured
    last, usual = client.pace()
    return ClientRow(
        client=told.shown(name),
        total=client.total,
        distinct=n,
        since=client.since or None,
        until=client.until or None,
        near_rate=found.near / found.n if found else None,
        crowded_rate=found.crowded / found.n if found else None,
        flip_rate=found.flips if found else None,
        independence=found.independence if found else None,
        out_of_range=client.flagged / n if n else None,
        last_hour=last,
        usual_hour=usual,
        signs=[s.kind.value for s in mine],
        suspected_since=min((s.since for s in mine), default=None),
    )


# ---------------------------------------------------------------- the reference


def _begun(site: Site, model: str, champion: str) -> Watched:
    """Freeze the reference of a champion; the newest rows of the log are read again against it."""
    last = predictions.last_row(site.store)
    try:
        known = _reference(site, model, champion)
    except CdmlError as e:
        return Watched(champion, None, last, e.message)
    missing = "" if known else f"not enough: {champion} has too few training rows here to compare"
    return Watched(champion, known, last - AT_MOST, missing)


def _reference(site: Site, model: str, champion: str) -> Reference | None:
    manifest = site.artifacts.manifest(site.ledger.version(model, champion).manifest or "")
    paths, rows = [], 0
    for batch in reversed(batches.known(site.store, model)):
        if batch.batch in manifest.batches and rows < BATCH_ROWS:
            paths.append(str(site.workspace.batches / f"{batch.batch}.parquet"))
            rows += batch.rows
    if not paths:
        return None
    names = [f.name for f in manifest.features]
    time, until = site.model(model).time, parse_time(manifest.trained_to)
    drawn = sample.rows(site.store, paths, names, time, until, DRAWN, newest=False)
    newest = sample.rows(site.store, paths, names, time, until, NEWEST, newest=True)
    if len(drawn[names[0]]) < FEWEST_TRAINED:
        return None
    columns = [
        probing.column(f.name, drawn[f.name], numeric=f.kind == "numeric")
        for f in manifest.features
    ]
    return probing.reference(columns, [drawn[n] for n in names], [newest[n] for n in names], WINDOW)


# ---------------------------------------------------------------- the log


def _read(site: Site, model: str, watched: Watched, known: Reference) -> list[tuple[str, Client]]:
    """Take in what is new in the log; return the clients that are to be measured again."""
    heard: dict[str, None] = {}
    watched.mark = max(watched.mark, predictions.last_row(site.store) - AT_MOST)
    while rows := predictions.asked_after(site.store, model, watched.mark, AT_ONCE):
        watched.mark = rows[-1].row
        with watched.lock:
            for name, point, row in _kept(known, rows):
                heard[name] = None
                if watched.clients.add(name, point, row).total < FEWEST:
                    watched.clients.add(told.FEW, point, row)
                    heard[told.FEW] = None
    with watched.lock:
        return watched.clients.due(heard)


def _kept(known: Reference, asked: list[Asking]) -> list[tuple[str, bytes, Row]]:
    sent = [_features.decode(a.features) for a in asked]
    values = [[row.get(c.name) for row in sent] for c in known.columns]
    points, bins = probing.encoded(known, values)
    points, small = points.astype(POINT), bins.astype(BIN)
    return [
        (
            a.client,
            points[at].tobytes(),
            Row(small[at].tobytes(), a.decision, iso(a.ts), flagged=a.odd),
        )
        for at, a in enumerate(asked)
    ]


# ---------------------------------------------------------------- signs


def _judge(site: Site, model: str, name: str, client: Client, sent: Sent) -> None:
    before = frozenset(
        s.kind for s in told.standing(site, model) if s.subject == name and s.kind in ASKED
    )
    now = signs(sent, before)
    if name == told.FEW:  # many may ask of one case, each a little later
        now -= {Kind.PROBING}
    since, until = client.since, iso(parse_time(client.until) + timedelta(seconds=1))
    for kind in sorted(now):
        said = f"{_SAYS[kind](model, told.shown(name), sent)}; rows of {since}..{until}"
        sign = Sign(kind, name, since, until, sent.n, said, site.moment())
        told.keep(site, model, sign, _plan(model, since, until))
    for kind in sorted(before - now):
        told.end(site, model, kind, name, f"its newest {sent.n} distinct rows are as others' are")


def _probing(model: str, client: str, sent: Sent) -> str:
    flips = "" if sent.flips is None else f"; {sent.flips:.0%} of near pairs differ in decision"
    return (
        f"client {client} seems to probe where {model} decides: {sent.crowded} of its newest "
        f"{sent.n} distinct rows have {CROWD} or more near-duplicates (limit {CROWDED:.0%}){flips}"
    )


def _extraction(model: str, client: str, sent: Sent) -> str:
    return (
        f"client {client} seems to copy {model} with made-up rows: in its newest {sent.n} distinct "
        f"rows columns are {sent.independence or 0.0:.0%} as unrelated as if drawn at random "
        f"(limit {INDEPENDENT:.0%})"
    )


_SAYS = {Kind.PROBING: _probing, Kind.EXTRACTION: _extraction}


def _plan(model: str, since: str, until: str) -> str:
    return (
        "questions alone change no version. First stop the client: cdml token list, cdml token "
        "revoke NAME, or serving.rate in cdml.toml; look with cdml clients "
        f"{model}. If labels or files were tampered with too: "
        f"{told.rollback_plan(model, since, until)}"
    )


def _forget_silent(site: Site, model: str) -> None:
    """End the signs of clients that have not been measured for a day."""
    for sign in told.standing(site, model):
        if sign.kind in ASKED and site.clock.now() - parse_time(sign.seen) > QUIET:
            told.end(site, model, sign.kind, sign.subject, "it asked little for a day")
