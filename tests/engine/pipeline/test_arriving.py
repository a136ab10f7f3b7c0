"""What lies in a drop folder is taken when it is whole, and as the file that was read."""

import hashlib
import os
import threading
from pathlib import Path

import pytest

from engine.errors import UnavailableError
from engine.pipeline import arriving
from engine.pipeline.ingest import ingest_waiting
from engine.store import batches
from tests.engine.pipeline.place import Place, csv


def test_a_file_that_somebody_still_writes_waits_however_long_it_has_not_changed(
    place: Place,
) -> None:
    content = csv()
    path = place.drop("slow.csv", "")
    with path.open("w") as file:
        file.write(content[: content.index("\n", 4_000) + 1])
        file.flush()
        os.utime(path, (1000.0, 1000.0))
        assert ingest_waiting(place, 2000.0) == []
        file.write(content[content.index("\n", 4_000) + 1 :])
    assert ingest_waiting(place, float("inf")) == ["late"]
    (batch,) = batches.known(place.store, "late")
    assert batch.rows == 600


def test_a_name_that_means_another_file_now_is_said(place: Place) -> None:
    path = place.drop("a.csv", csv(1))
    read = arriving.seen(path)
    arriving.check_same(path, read)
    with path.open("a") as file:
        file.write("\n")
    with pytest.raises(UnavailableError, match="changed or was replaced"):
        arriving.check_same(path, read)


def test_what_came_under_the_name_of_a_file_that_was_read_stays(place: Place) -> None:
    path = place.drop("a.csv", "one")
    read = arriving.seen(path)
    place.drop("b.csv", "two").rename(path)
    arriving.let_go(path, read)
    assert path.read_text() == "two"
    arriving.let_go(path, arriving.seen(path))
    assert not list(path.parent.iterdir())
    arriving.let_go(path, read)  # somebody took it away: nothing is left to do


def test_files_replaced_while_they_are_read_are_each_taken_as_themselves_or_not_at_all(
    place: Place,
) -> None:
    contents = [csv(seed, 200) for seed in range(40, 46)]
    over = threading.Event()

    def replace() -> None:
        for content in contents:
            place.drop(".swap", content).rename(place.workspace.incoming("late") / "swap.csv")
            over.wait(0.03)

    thread = threading.Thread(target=replace)
    thread.start()
    while thread.is_alive() or list(place.workspace.incoming("late").iterdir()):
        ingest_waiting(place, float("inf"))
    thread.join()
    by_digest = {hashlib.sha256(c.encode()).hexdigest(): c for c in contents}
    for batch in batches.known(place.store, "late"):
        with place.store.read() as db:
            path: Path = place.workspace.batches / f"{batch.batch}.parquet"
            ids = {r[0] for r in db.execute(f"select id from '{path}'").fetchall()}
        assert ids == {line.split(",")[0] for line in by_digest[batch.source].splitlines()[1:]}
    # The last one is nobody's predecessor: it is taken in whatever happened before.
    assert hashlib.sha256(contents[-1].encode()).hexdigest() in {
        b.source for b in batches.known(place.store, "late")
    }
