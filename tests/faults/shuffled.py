"""Case 25: the same labels in many orders, some twice, contradicting, of nobody, a week late."""

import random
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from engine.clock import iso
from engine.pipeline.load import load
from engine.pipeline.look import look_at
from engine.pipeline.monitor import monitor
from engine.pipeline.quality import strangers
from engine.pipeline.restate import rebuild
from engine.spool import LabelRecord, Spool, encode
from engine.store import looks, predictions
from engine.store.predictions import Block
from engine.wire import Label
from tests.engine.pipeline.place import START, Place
from tests.faults.outcome import Case, Outcome

ROWS, DAYS = 400, 3
DUPLICATED, LATE, CONFLICTING, UNKNOWN = 0.3, 0.1, 0.05, 0.05
RECORD = 25
BEGIN = START.replace(hour=0)
Scores = list[tuple[Any, ...]]


def asked(place: Place, version: str) -> None:
    """Store what was answered over four days."""
    rows = []
    for at in range(ROWS):
        stamp, name = moment(at).replace(tzinfo=None).isoformat(), f"row-{at}"
        rows.append(
            ("late", name, name, stamp, stamp, None, 1, version, "champion",
             f'{{"wind":{at % 7}}}', f"[{at % 89 / 89}]", "true" if at % 2 else "false", "", 1.0)
        )  # fmt: skip
    predictions.load(place.store, Block(rows, [], [], {}))


def moment(at: int) -> datetime:
    """Return when a row was asked about."""
    return BEGIN + timedelta(days=DAYS) * at / ROWS


def told(draw: random.Random) -> list[Label]:
    """Return all that is ever told of these rows, in order: some of it twice, wrong, of nobody."""
    late = {*draw.sample(range(ROWS), int(ROWS * LATE))}
    found = []
    for at in range(ROWS):
        after = timedelta(days=7) if at in late else timedelta(hours=1)
        found.append(Label(f"row-{at}", iso(moment(at) + after), at % 3 == 0))
    whole = [*found]
    contradicted = draw.sample(whole, int(ROWS * CONFLICTING))
    found += [msgspec.structs.replace(label, value=not label.value) for label in contradicted]
    found += [
        Label(f"nobody-{n}", iso(moment(n) + timedelta(hours=1)), value=True)
        for n in range(int(ROWS * UNKNOWN))
    ]
    return [*found, *draw.sample(found, int(len(found) * DUPLICATED))]


def brought(place: Place, labels: list[Label], boot: str) -> None:
    """Have labels come by the log, as clients send them."""
    spool = Spool(place.workspace.spool, boot)
    for at in range(0, len(labels), RECORD):
        record = LabelRecord("late", place.moment(), labels[at : at + RECORD], "left")
        assert spool.append_durable(encode(record))
    spool.close()
    load(place)


def played(place: Place, labels: list[Label]) -> tuple[Scores, dict[str, float]]:
    """Look at the model each day while labels come; return all measures and what was counted."""
    (version,) = place.champions(0.3)
    asked(place, version)
    for day in range(1, DAYS + 1):
        place.clock.time = BEGIN + timedelta(days=day + 1, minutes=1)
        part = labels[len(labels) * (day - 1) // (DAYS + 1) : len(labels) * day // (DAYS + 1)]
        brought(place, part, f"b{day}")
        monitor(place, "late")
    place.clock.time = BEGIN + timedelta(days=12)
    brought(place, labels[len(labels) * DAYS // (DAYS + 1) :], "b9")
    monitor(place, "late")
    with place.store.read() as db:
        found = db.execute("select * exclude (measured) from scores order by all").fetchall()
        contested = db.execute("select count(*) from labels where contested").fetchone() or (0,)
    look = look_at("late", version, place.model("late"), BEGIN + timedelta(days=7))
    look = type(look)("late", version, look.at, BEGIN, place.clock.now(), look.since, look.until)
    unknown = strangers(place, look)
    restated = sum(k.restated for k in looks.known(place.store, "late"))
    said = sum("restated" in text for text in place.told_of("monitor"))
    again = rebuild(place, "late", lambda _: None)
    return found, {
        "contested": contested[0],
        "unknown": round((unknown.value or 0.0) * unknown.n),
        "restated looks": restated,
        "restatements told": said,
        "differ when measured again": len(again.differ),
    }


def permuted(stock: Path, folder: Path, times: int) -> Outcome:
    """Have the same labels come in many orders; every measure must come to the same bytes."""
    outcome = Outcome("25", "labels in any order, twice, late, contradicting, of nobody")
    folder.mkdir()
    draw = random.Random(25)
    labels = told(draw)
    first: Scores = []
    for number in range(times):
        place = Place.made(folder / str(number))
        try:
            found, counted = played(place, draw.sample(labels, len(labels)))
        finally:
            place.close()
            shutil.rmtree(folder / str(number))
        first = first or found
        wrong = [] if found == first else ["other measures than in the first order"]
        expected = {"contested": int(ROWS * CONFLICTING), "unknown": int(ROWS * UNKNOWN)}
        wrong += [f"{k}: {counted[k]}, not {n}" for k, n in expected.items() if counted[k] != n]
        if not counted["restated looks"] or not counted["restatements told"]:
            wrong.append("nothing was restated, or nothing said of it")
        if counted["differ when measured again"]:
            wrong.append("measured again from raw rows it comes to something else")
        outcome.struck([f"order {number}: {text}" for text in wrong])
        outcome.figures |= counted
    outcome.figures |= {"labels": len(labels), "measures": len(first)}
    return outcome


CASES: dict[str, Case] = {"25": lambda stock, at: permuted(stock, at, 20)}
