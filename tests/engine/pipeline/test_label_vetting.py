"""Labels that come as a file later than their rows: judged by the same reference, set aside."""

from datetime import timedelta

import msgspec
import numpy as np

from engine.pipeline import quarantine
from engine.pipeline.deliver_labels import deliver
from engine.pipeline.ingest import ingest
from engine.store import labels, predictions
from engine.store.predictions import Block
from engine.wire import QuarantineRequest
from tests.engine.pipeline.place import PERSON, START, Place, csv

N = 900


def asked(place: Place) -> list[tuple[str, bool, bool]]:
    """Store answers about rows like those delivered; return ids, turned and honest outcomes."""
    rng = np.random.default_rng(5)
    rows, truth = [], []
    for at in range(N):
        wind, kind = float(rng.normal(10, 4)), str(rng.choice(["a", "b", "c"]))
        late = bool(rng.random() < (0.9 if wind > 12 or kind == "c" else 0.1))
        ts = (START + timedelta(hours=at / 4)).replace(tzinfo=None).isoformat()
        sent = msgspec.json.encode({"wind": wind, "kind": kind, "windy": wind > 12}).decode()
        rows.append(
            ("late", f"p{at}", f"i{at}", ts, ts, None, 1, "v1", "champion", sent, "[0.5]", "true",
             "", 1.0)
        )  # fmt: skip
        truth.append((f"i{at}", late and not (kind == "c" and wind < 10), late))
    predictions.load(place.store, Block(rows, [], [], {}))
    return truth


def file(place: Place, name: str, rows: list[tuple[str, bool]]) -> str:
    lines = [f"{one},{str(value).lower()},2024-03-12T00:00:00" for one, value in rows]
    place.drop(name, "\n".join(["id,value,ts", *lines]) + "\n")
    return name


def test_labels_turned_in_one_kind_of_rows_wait_for_a_person(place: Place) -> None:
    place.clock.time = START + timedelta(days=14)
    ingest(place, "late", place.drop("a.csv", csv(n=1200, start=START - timedelta(days=60))))
    known = asked(place)
    honest = file(place, "honest.csv", [(one, late) for one, _, late in known])
    answer = deliver(place, "late", place.workspace.incoming("late") / honest)
    assert (answer.verdict, answer.rows) == ("accepted", N)
    turned = file(place, "turned.csv", [(one, bad) for one, bad, _ in known])
    answer = deliver(place, "late", place.workspace.incoming("late") / turned)
    assert answer.verdict == "quarantined"
    assert "is not what the accepted batches let expect" in answer.reasons[0]
    (row,) = quarantine.listed(place, "late")
    assert (row.kind, row.file, row.findings[0].check) == ("labels", "turned.csv", "poisoned")
    assert row.findings[0].rows
    request = QuarantineRequest("k1", "accept", row.batch, "checked by hand")
    done = quarantine.decide(place, "late", PERSON, request)
    assert (done.changed, done.rows) == (True, N)
    assert labels.count(place.store, "late") == N
    assert quarantine.listed(place, "late") == []
