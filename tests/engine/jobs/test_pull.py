"""Rows that a source is asked for: a query in its job, or the prediction log with its labels."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InvalidError
from engine.jobs import triggers
from engine.jobs.runner import Runner
from engine.pipeline import retention, tracing, train
from engine.pipeline.ingest import ingest
from engine.settings import load
from engine.store import batches
from engine.wire import JobRow
from tests.engine.pipeline.place import SETTINGS, START, Place, csv

SQL = (
    SETTINGS
    + """
[models.late.source]
sql = "select * from rows where t > coalesce(getvariable('since'), timestamp '1970-01-01')"
files = { rows = "elsewhere/*.csv" }
every = "6h"
"""
)
LOG = SETTINGS + '\n[models.late.source]\nlog = true\ninfluences = ["true"]\n'


def made(root: Path, settings: str) -> tuple[Place, Runner]:
    place = Place.made(root, settings)
    return place, Runner(place)


def pulled(runner: Runner) -> JobRow:
    """Ask the source and train on nothing: only the pull is worked."""
    for waiting in runner.rows():
        if waiting.state == "queued":
            runner.cancel(waiting.id)
    row = runner.submit("late", "pull", "a test")
    runner._work(runner._next(None))  # type: ignore[arg-type]
    return runner.row(row.id)


def test_a_query_brings_the_first_rows_and_later_only_newer_ones(tmp_path: Path) -> None:
    place, runner = made(tmp_path, SQL)
    assert pulled(runner).state == "refused"  # there is no such file yet
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.csv").write_text(csv(n=300))
    first = pulled(runner)
    assert first.state == "done"
    assert first.note.endswith("accepted, 300 rows")
    assert [j.cause for j in runner.rows() if j.job == "train"] == ["first data"]
    assert pulled(runner).note == "the source has no new rows"
    later = csv(2, 50, start=START - timedelta(days=5))
    (tmp_path / "elsewhere" / "b.csv").write_text(later)
    assert pulled(runner).note.endswith("accepted, 50 rows")
    asked = batches.queries(place.store, "late")
    both = [asked[b.batch] for b in sorted(train.accepted(place, "late"), key=lambda b: -b.rows)]
    assert all(q.startswith("select * from rows where t > coalesce") for q in both)
    assert "rows = elsewhere/*.csv; since = null" in both[0]
    assert "since = 2024-" in both[1]
    traced = tracing.batch(place, ["late"], next(iter(asked)))
    assert traced.query == asked[traced.batch]
    assert sorted(b.rows for b in train.accepted(place, "late")) == [50, 300]
    assert not list(place.workspace.incoming("late").iterdir())
    place.close()


def test_a_query_that_is_wrong_fails_its_run_and_says_where(tmp_path: Path) -> None:
    place, runner = made(tmp_path, SQL.replace("select * from rows", "select * from nowhere"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.csv").write_text(csv(n=300))
    row = pulled(runner)
    assert (row.state, "nowhere" in (row.error or "")) == ("failed", True)
    assert "Mend source.sql" in (row.error or "")
    assert train.accepted(place, "late") == []
    place.close()


def test_a_source_is_asked_at_once_and_then_at_its_times(tmp_path: Path) -> None:
    place, runner = made(tmp_path, SQL)
    causes = []
    for hours in (0, 1, 5, 25):
        place.clock.passes(hours=hours)
        triggers.due(place, runner)
        runner.drain()
        causes.append(sum(j.job == "pull" for j in runner.rows()))
    assert causes == [1, 1, 2, 3]
    assert [r.job for r in triggers.rows(place)] == ["monitor", "pull"]
    place.close()


def test_without_a_source_there_is_nothing_to_ask(tmp_path: Path) -> None:
    place, runner = made(tmp_path, SETTINGS)
    row = pulled(runner)
    assert (row.state, "cdml.toml names none" in (row.error or "")) == ("refused", True)
    place.close()


def fed(place: Place) -> str:
    """Deliver a table, so that its columns are known, and put a champion over it."""
    ingest(place, "late", place.drop("a.csv", csv(n=300)))
    return place.champions(0.5)[0]


SENT = '{"wind":7.5,"kind":"b","windy":false}'


def test_labelled_answers_become_rows_once_they_are_mature_and_only_once(tmp_path: Path) -> None:
    place, runner = made(tmp_path, LOG)
    place.answered(fed(place), n=100, days=4.0, score=0.1, features=SENT)
    row = pulled(runner)
    assert row.state == "done"
    batch = batches.known(place.store, "late")[-1]
    query = batches.queries(place.store, "late")[batch.batch]
    assert query.startswith("prediction log joined with labels that became mature from the first")
    assert (batch.rows, batch.verdict) == (76, "accepted_with_warnings")  # a day matures yet
    assert batch.reasons == [
        "from the prediction log: of 0 of 76 rows the decision may have changed the outcome"
    ]
    types = batches.columns(place.store, "late")
    assert set(types) == {"id", "t", "wind", "kind", "windy", "late"}
    plan = train.gather(place, "late", "r9")
    assert batch.batch in plan.batches
    assert pulled(runner).note == "the log has no newly mature labels"
    place.clock.passes(days=2)
    assert pulled(runner).note.startswith("log-r3.parquet accepted with warnings, 24 rows")
    place.close()


def test_outcomes_of_the_services_own_making_are_refused_beyond_the_limit(tmp_path: Path) -> None:
    place, runner = made(tmp_path, LOG)
    champion = fed(place)
    place.answered(champion, n=80, score=0.1, features=SENT)
    place.answered(champion, n=20, score=0.9, features=SENT)
    place.clock.passes(days=2)
    row = pulled(runner)
    assert row.state == "refused"
    assert "of 20 of 100 rows (20.0%) the decision may have changed the outcome" in str(row.error)
    assert len(batches.known(place.store, "late")) == 1
    wider = LOG.replace('["true"]', '["true"]\ninfluence_limit = 0.25')
    place.workspace.config.write_text(wider)
    place.settings = load(place.workspace.config)
    assert pulled(runner).state == "done"
    assert batches.known(place.store, "late")[-1].rows == 100
    place.close()


def test_where_nobody_says_which_decisions_act_all_of_them_count(tmp_path: Path) -> None:
    place, runner = made(tmp_path, LOG.replace('influences = ["true"]\n', ""))
    place.answered(fed(place), n=100, score=0.1, features=SENT)
    place.clock.passes(days=2)
    error = str(pulled(runner).error)
    assert "(100.0%)" in error
    assert "so all count" in error
    place.close()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "either a query or the log"),
        ('sql = "select 1"\nlog = true', "either a query or the log"),
        ('sql = " "', "it is empty"),
        ('log = true\nfiles = { a = "b.csv" }', "belong to sql"),
        ('sql = "select 1"\ninfluences = []', "belongs to log"),
        ('sql = "select 1"\nfiles = { "a-b" = "b.csv" }', "is no name"),
        ('sql = "select 1"\nevery = "0s"', "longer than nothing"),
    ],
)
def test_a_source_that_makes_no_sense_is_named_with_its_line(
    tmp_path: Path, table: str, said: str
) -> None:
    config: Any = tmp_path / "cdml.toml"
    config.write_text(f"{SETTINGS}\n[models.late.source]\n{table}\n")
    with pytest.raises(InvalidError, match=said):
        load(config)


def test_a_log_whose_first_days_have_left_says_from_when_on_it_has_rows(tmp_path: Path) -> None:
    place, runner = made(tmp_path, '[retention]\npredictions = "10d"\n' + LOG)
    place.answered(fed(place), n=120, days=20, score=0.1, features=SENT)
    retention.keep(place)
    row = pulled(runner)
    note = "from the prediction log (answers before 2024-02-20 have left it for history/"
    assert note in batches.known(place.store, "late")[-1].reasons[0], row.note
    assert "have left" not in pulled(runner).note
    place.close()
