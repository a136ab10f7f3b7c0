"""A version and its transformation: trained, sealed, judged, served and made again as one."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.backtest.serving import Replayed
from engine.errors import CdmlError, InvalidError
from engine.jobs import triggers
from engine.pipeline import delivery, fitting, reproduce, tracing, train, transform_check
from engine.pipeline.ingest import ingest
from engine.pipeline.overview import version_page
from engine.pipeline.train_plan import plan
from engine.settings import load
from engine.store import runs
from engine.wire import JobRow
from tests.engine.jobs.test_schedule import Queue
from tests.engine.pipeline.place import SETTINGS, START, Place, csv, roles
from tests.engine.pipeline.test_training import Here

TABLE = '\n[models.late.transform]\nsql = "late.sql"\n'
SQL = "select * exclude (windy), wind * wind as square, kind || '!' as loud from rows"
OWN = """
import os

import numpy as np


def made(columns):
    wind = columns["wind"] + len(os.environ.get("SKEW", ""))
    return {"kind": columns["kind"], "over": np.where(np.isnan(wind), np.nan, wind > 12.0)}
"""


@pytest.fixture
def place(tmp_path: Path) -> Any:
    found = Place.made(
        tmp_path, SETTINGS.replace("seeds = 1", 'seeds = 1\non = ["recipe"]') + TABLE
    )
    (tmp_path / "late.sql").write_text(SQL)
    found.judging = False  # rows come as the rule needs them, not as a source sends them
    found.serving = Replayed(found.ledger, found.artifacts, "id")  # type: ignore[assignment]
    ingest(found, "late", found.drop("a.csv", csv()))
    yield found
    found.close()


def refused(place: Place, text: str, name: str = "late.sql") -> str:
    (place.workspace.root / name).write_text(text)
    with pytest.raises(CdmlError) as found:
        delivery.train_run(place, Here(place))
    assert place.ledger.versions("late") == []
    assert roles(place).champion is None
    return found.value.message


def caused(place: Place) -> list[str]:
    queue: Any = Queue()
    triggers.recipes(place, queue, float("inf"))
    return [cause for _, cause in queue.taken]


def in_python(place: Place) -> None:
    config = place.workspace.config
    config.write_text(config.read_text().replace('sql = "late.sql"', 'python = "own:made"'))
    (place.workspace.root / "own.py").write_text(OWN)
    place.settings = load(config)


def test_a_version_is_served_through_its_own_transformation_and_made_again_by_it(
    place: Place,
) -> None:
    outcome = delivery.train_run(place, Here(place))
    assert (outcome.version, outcome.verdict) == ("v1", "pass")
    version = place.ledger.version("late", "v1")
    manifest = place.artifacts.manifest(version.manifest or "")
    sealed = manifest.transform
    assert sealed is not None
    assert [f.name for f in manifest.features] == ["wind", "kind", "windy"]
    assert (sealed.kept, [f.name for f in sealed.derived]) == (["wind", "kind"], ["square", "loud"])
    assert (sealed.source.text, sealed.derived[1].categories) == (SQL, ("a!", "b!", "c!"))
    assert len(sealed.probes) == 20 + 3 + 1
    assert version.report is not None
    check = next(c for c in version.report.checks if c.name.startswith("transforms"))
    assert (check.verdict, check.value, check.n) == ("pass", 0.0, 24)
    simple = place.ledger.version("late", "v1-safe")
    assert place.artifacts.manifest(simple.manifest or "").transform is None

    (place.workspace.root / "late.sql").write_text("select wind + 1 as more from rows")
    row = {"wind": 14.0, "kind": "c", "windy": True}
    loaded = place.artifacts.load(version.manifest or "")
    np.testing.assert_array_equal(loaded.rows_matrix([row]), [[14.0, 2.0, 196.0, 2.0]])
    assert place.serving.probe("late", "v1", [row])[0][0] > 0.5
    inputs = reproduce.gather(place, "late", "v1")
    made = fitting.fit(inputs, place.workspace.runs, lambda *_: None)
    assert reproduce.compared(place, "late", "v1", made).same


def test_another_text_is_a_cause_and_the_next_version_is_compared_through_its_own(
    place: Place,
) -> None:
    assert caused(place) == []
    assert plan(place, "late").transform.startswith("late.sql ")
    job = JobRow("r1", "late", "train", "done", "first data", place.moment())
    runs.put(place.store, job)
    delivery.train_run(place, Here(place))
    assert plan(place, "late").transform.endswith(", as v1 has it")
    assert caused(place) == []
    (place.workspace.root / "late.sql").write_text(SQL.replace("wind * wind", "sqrt(wind)"))
    (cause,) = caused(place)
    assert cause.startswith("the source of late.sql changed to ")
    (place.workspace.root / "late.sql").write_text(SQL.replace("wind * wind", "abs(wind)"))
    assert plan(place, "late").transform.endswith(", changed since v1")
    for seed in (2, 3):
        start = START + timedelta(days=25 * (seed - 2) - 5)
        ingest(place, "late", place.drop(f"{seed}.csv", csv(seed, start=start)))
    place.clock.passes(days=50)
    delivery.train_run(place, Here(place, 2))
    second = place.ledger.version("late", "v2")
    assert second.report is not None
    assert second.report.against == "v1"
    assert second.report.n > 0
    found = tracing.lineage(place, "late", "v1")
    assert (found.cause, found.transform and found.transform.text) == ("first data", SQL)
    assert version_page(place, "late", "v1").cause == "first data"


UNFIT = [
    ("select windd as w from rows", 'names the column "windd"'),
    ("select avg(wind) as w from rows", "makes one row of many"),
    ("select wind from rows", "it makes no column that was not delivered"),
    ("select wind * 2 as wind from rows", 'its column "wind" has the name of a delivered one'),
    ("select wind as late from rows", 'its column "late" has the name of a column that is no'),
    ("select ln(wind * 0) as w from rows", 'its column "w" is infinite'),
    ("select cast(kind as double) as w from rows", "it cannot take the row wind"),
    ("select case when wind > 20 then cast(kind as int) end as w from rows", "training rows"),
]


def test_a_select_that_does_not_fit_refuses_the_run_and_nothing_else_moves(place: Place) -> None:
    for text, said in UNFIT:
        assert said in refused(place, text)


def test_a_file_that_is_not_there_or_reaches_beyond_itself_is_named(place: Place) -> None:
    (place.workspace.root / "late.sql").unlink()
    with pytest.raises(InvalidError, match="cannot be read"):
        train.gather(place, "late", "r1")
    in_python(place)
    (place.workspace.root / "helper.py").write_text("k = 1\n")
    assert 'its file imports "helper"' in refused(place, f"import helper\n{OWN}", "own.py")


def test_what_another_process_would_compute_otherwise_fails_the_gate(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_python(place)
    trained = place.serving.probe

    def elsewhere(*asked: Any) -> Any:
        monkeypatch.setenv("SKEW", "x")
        return trained(*asked)

    monkeypatch.setattr(place.serving, "probe", elsewhere)
    outcome = delivery.train_run(place, Here(place))
    assert outcome.verdict == "fail"
    report = place.ledger.version("late", "v1").report
    assert report is not None
    (check,) = (c for c in report.checks if c.name.startswith("transforms"))
    assert (check.verdict, check.value, check.n) == ("fail", 1.0, 24)
    assert 'column "over" of probe rows' in check.text
    assert roles(place).champion != "v1"


def test_what_computes_otherwise_among_many_rows_than_among_few_is_refused(place: Place) -> None:
    in_python(place)
    many = "    if len(columns['wind']) > 100:\n        return {'x': columns['wind'] * 2}\n"
    said = refused(
        place, f"def made(columns):\n{many}    return {{'x': columns['wind']}}\n", "own.py"
    )
    assert 'alone and among the training rows: column "x" of probe rows 1, 2, 3, 4, 5' in said
    other = many.replace("'x'", "'y'")
    said = refused(
        place, f"def made(columns):\n{other}    return {{'x': columns['wind']}}\n", "own.py"
    )
    assert "on all rows it gives the columns y, on a few x" in said


def test_one_that_takes_ages_on_a_few_rows_is_ended_and_said(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.pipeline.transforming.DEADLINE_S", 0.2)
    in_python(place)
    said = refused(place, "def made(columns):\n    while True:\n        pass\n", "own.py")
    assert "it took longer than 0.2 s on 20 rows" in said


def test_check_tries_a_transformation_on_the_rows_of_the_newest_version(place: Place) -> None:
    assert "not yet tried on rows" in transform_check.tried(place.workspace, place.settings)["late"]
    delivery.train_run(place, Here(place))
    found = transform_check.tried(place.workspace, place.settings)["late"]
    assert "tried on 20 rows: makes square, loud" in found
    in_python(place)
    assert "makes over" in transform_check.tried(place.workspace, place.settings)["late"]
    (place.workspace.root / "late.sql").write_text("select windd as w from rows")
    place.workspace.config.write_text(SETTINGS + TABLE)
    with pytest.raises(InvalidError, match="windd"):
        transform_check.check_all(place.workspace.root, load(place.workspace.config), place.store)
