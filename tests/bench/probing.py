"""Attack signs on real flights: how often honest clients raise one, how soon attackers do.

Every client goes through the same windows and decisions as in the engine. Reference: rows of
January and February, or of the first half year; clients send rows of the months after.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from engine.domain.attacks import Kind, signs
from engine.pipeline.sent import BIN, HOP, POINT, Client, Row
from engine.stats import probing
from engine.stats.probing import Reference
from engine.stats.profile import Floats
from tests.bench.figure import Figure

FLIGHTS = Path(__file__).parents[2] / "data" / "flights_lga.parquet"
OUTCOMES = {"flight_id", "event_time", "label_time", "late", "arr_delay_min", "air_time_min"}
WEATHER = ("temp_f", "dewpoint_f", "wind_mph", "wind_dir", "precip_in", "visibility_mi")
SEED = 42
SENT = 300
RUNS = 100
TRAINED = ("2013-03-01", "2013-07-01")
Rows = list[list[Any]]


@dataclass(frozen=True, slots=True)
class World:
    """Flights in order of time, as rows of features; what is known of them in training."""

    names: list[str]
    numeric: list[bool]
    rows: Rows
    times: Floats
    known: Reference
    trained: Rows

    def at(self, name: str) -> int:
        """Return a column's place."""
        return self.names.index(name)


def world(until: str) -> World:
    """Read the flights; all before `until` are the reference, all others are asked about."""
    db = duckdb.connect()
    found = db.execute(f"describe from '{FLIGHTS}'").fetchall()
    kinds = {r[0]: r[1] for r in found if r[0] not in OUTCOMES | {"cancelled"}}
    wanted, numeric = ", ".join(kinds), [k != "VARCHAR" for k in kinds.values()]

    def read(where: str, order: str) -> Rows:
        sql = f"select {wanted}, epoch(event_time) from '{FLIGHTS}' where {where} order by {order}"
        return [list(r) for r in db.execute(sql).fetchall()]

    before = f"event_time < '{until}'"
    drawn = read(before, "hash(flight_id) limit 20000")
    newest = read(before, "event_time desc, flight_id limit 6000")[::-1]
    columns = [
        probing.column(name, [r[at] for r in drawn], numeric=numeric[at])
        for at, name in enumerate(kinds)
    ]
    known = probing.reference(columns, _lists(drawn), _lists(newest), SENT)
    rows = read(f"not {before}", "event_time, flight_id")
    times = np.array([r[-1] for r in rows])
    return World(list(kinds), numeric, [r[:-1] for r in rows], times, known, drawn)


def _lists(rows: Rows) -> list[list[Any]]:
    return [list(column) for column in zip(*[r[:-1] for r in rows], strict=True)]


# ---------------------------------------------------------------- honest clients


def anything(w: World, rng: np.random.Generator) -> Rows:
    """Any flight of a month, in no order."""
    begin = int(rng.integers(len(w.rows) - 8000))
    return [w.rows[begin + int(at)] for at in rng.choice(8000, SENT, replace=False)]


def one_carrier(w: World, rng: np.random.Generator) -> Rows:
    """The next flights of one carrier."""
    at, carrier = w.at("carrier"), w.rows[int(rng.integers(len(w.rows)))][w.at("carrier")]
    mine = [r for r in w.rows if r[at] == carrier]
    begin = int(rng.integers(max(1, len(mine) - SENT)))
    return mine[begin : begin + SENT]


def one_route(w: World, rng: np.random.Generator) -> Rows:
    """The flights of one carrier to one place."""
    a, b = w.at("carrier"), w.at("dest")
    route = w.rows[int(rng.integers(len(w.rows)))]
    mine = [r for r in w.rows if (r[a], r[b]) == (route[a], route[b])]
    begin = int(rng.integers(max(1, len(mine) - SENT)))
    return mine[begin : begin + SENT]


def whole_days(w: World, rng: np.random.Generator) -> Rows:
    """A batch scorer: every flight from some moment on."""
    begin = int(rng.integers(len(w.rows) - SENT))
    return w.rows[begin : begin + SENT]


def bursts(w: World, rng: np.random.Generator) -> Rows:
    """All flights of an hour or two, from several days."""
    made: Rows = []
    while len(made) < SENT:
        begin = int(rng.integers(len(w.rows) - 40))
        made += w.rows[begin : begin + int(rng.integers(15, 40))]
    return made[:SENT]


def retries(w: World, rng: np.random.Generator) -> Rows:
    """Any flights, each sent up to four times as it is."""
    return [r for r in anything(w, rng) for _ in range(int(rng.integers(1, 5)))]


def what_if(w: World, rng: np.random.Generator) -> Rows:
    """Flights of a day, each asked about again one to four hours later with the weather of then."""
    made: Rows = []
    begin = int(rng.integers(len(w.rows) - 2000))
    places = [w.at(n) for n in (*WEATHER, "recent_late_share", "carrier_late_share_24h")]
    while len(made) < SENT:
        at = begin + int(rng.integers(600))
        made.append(w.rows[at])
        for hours in range(1, int(rng.integers(2, 6))):
            later = int(np.searchsorted(w.times, w.times[at] + 3600 * hours))
            again = list(w.rows[at])
            for place in places:
                again[place] = w.rows[later][place]
            made.append(again)
    return made[:SENT]


def polling(w: World, rng: np.random.Generator) -> Rows:
    """Flights asked about every ten minutes of two hours; weather hourly, lateness as it goes."""
    made: Rows = []
    begin = int(rng.integers(len(w.rows) - 2000))
    hourly = [w.at(n) for n in WEATHER]
    often = [w.at(n) for n in ("recent_late_share", "carrier_late_share_24h")]
    while len(made) < SENT:
        at = begin + int(rng.integers(600))
        for tenth in range(12):
            when = w.times[at] + 600 * tenth
            hour = int(np.searchsorted(w.times, w.times[at] + 3600 * (tenth // 6)))
            now = int(np.searchsorted(w.times, when))
            again = list(w.rows[at])
            for place in hourly:
                again[place] = w.rows[hour][place]
            for place in often:
                again[place] = w.rows[now][place]
            made.append(again)
    return made[:SENT]


# ---------------------------------------------------------------- attackers


def uniform(w: World, rng: np.random.Generator) -> Rows:
    """Numbers anywhere in their range, categories alike."""
    return [list(r) for r in zip(*[_drawn(w, rng, at) for at in range(len(w.names))], strict=True)]


def _drawn(w: World, rng: np.random.Generator, at: int) -> list[Any]:
    sent = [r[at] for r in w.trained if r[at] is not None]
    if w.numeric[at]:
        return [float(v) for v in rng.uniform(min(sent), max(sent), SENT)]
    return [str(v) for v in rng.choice(sorted(set(sent)), SENT)]


def marginal(w: World, rng: np.random.Generator) -> Rows:
    """Each column drawn by itself from what training rows hold."""
    drawn = [rng.integers(len(w.trained), size=SENT) for _ in w.names]
    return [[w.trained[int(d[n])][at] for at, d in enumerate(drawn)] for n in range(SENT)]


def blended(w: World, rng: np.random.Generator) -> Rows:
    """Uniform rows and as many honest ones."""
    honest, made = anything(w, rng), uniform(w, rng)
    return [made[n] if n % 2 else honest[n] for n in range(SENT)]


def jitter(cases: int, step: float, moved: int) -> Callable[[World, np.random.Generator], Rows]:
    """Return an attacker who moves some numbers of a few cases by steps of their spread."""

    def sent(w: World, rng: np.random.Generator) -> Rows:
        known = [w.rows[int(at)] for at in rng.integers(len(w.rows), size=cases)]
        numbers = [at for at, numeric in enumerate(w.numeric) if numeric]
        made = []
        for n in range(SENT):
            row = list(known[n % cases])
            for at in rng.choice(numbers, moved, replace=False):
                if row[at] is not None:
                    row[at] += float(rng.normal(0.0, step)) * w.known.columns[at].spread
            made.append(row)
        return made

    return sent


HONEST: dict[str, Callable[[World, np.random.Generator], Rows]] = {
    "any flights": anything,
    "one carrier": one_carrier,
    "one route": one_route,
    "whole days": whole_days,
    "bursts": bursts,
    "retries": retries,
    "what if": what_if,
    "polling": polling,
}
ATTACKS: dict[str, tuple[Kind, Callable[[World, np.random.Generator], Rows]]] = {
    "uniform extraction": (Kind.EXTRACTION, uniform),
    "extraction by marginals": (Kind.EXTRACTION, marginal),
    "extraction, half of it honest rows": (Kind.EXTRACTION, blended),
    "jitter of 1 case, 1 number by 0.05": (Kind.PROBING, jitter(1, 0.05, 1)),
    "jitter of 5 cases, 2 numbers by 0.05": (Kind.PROBING, jitter(5, 0.05, 2)),
    "jitter of 5 cases, all numbers by 0.01": (Kind.PROBING, jitter(5, 0.01, 16)),
    "jitter of 20 cases, 2 numbers by 0.05": (Kind.PROBING, jitter(20, 0.05, 2)),
}


def first_sign(w: World, rows: Rows) -> tuple[frozenset[Kind], int]:
    """Send rows one by one; return the signs of the first look that shows any, and at which row."""
    points, bins = probing.encoded(w.known, [list(c) for c in zip(*rows, strict=True)])
    client = Client()
    for n, (point, places) in enumerate(
        zip(points.astype(POINT), bins.astype(BIN), strict=True), 1
    ):
        client.add(point.tobytes(), Row(places.tobytes(), None, "", flagged=False))
        if client.fresh >= HOP and (found := signs(client.measure(w.known))):
            return found, n
    return frozenset(), len(rows)


def measure(runs: int = RUNS, trained: Sequence[str] = TRAINED) -> list[Figure]:
    """Return false alarms of each kind of honest client, and how surely and soon attacks show."""
    sys.stderr.write(f"probing: seed {SEED}, {runs} clients a kind, {SENT} rows each\n")
    figures = []
    for until in trained:
        w, false, all_runs = world(until), 0, 0
        for number, (name, made) in enumerate(HONEST.items()):
            rngs = [np.random.default_rng([SEED, number, run]) for run in range(runs)]
            alarms = sum(bool(first_sign(w, made(w, rng))[0]) for rng in rngs)
            false, all_runs = false + alarms, all_runs + runs
            label = f"{name}, trained to {until}: windows with any sign"
            figures.append(Figure(label, 100.0 * alarms / runs, "%", runs))
        label = f"honest clients, trained to {until}: windows with any sign"
        figures.append(Figure(label, 100.0 * false / all_runs, "%", all_runs, 1.0))
        for number, (name, (kind, made)) in enumerate(ATTACKS.items()):
            rngs = [np.random.default_rng([SEED, 100 + number, run]) for run in range(runs)]
            found = [first_sign(w, made(w, rng)) for rng in rngs]
            hits = [n for shown, n in found if kind in shown]
            share = 100.0 * len(hits) / runs
            label = f"{name}, trained to {until}: seen within {SENT} rows"
            figures.append(Figure(label, share, "%", runs, 95.0, at_least=True))
            if hits:
                label = f"{name}, trained to {until}: rows until seen, p95"
                figures.append(Figure(label, float(np.quantile(hits, 0.95)), "rows", len(hits)))
    return figures
