"""A transformation's whole life: trained through, served by HTTP, edited, and rolled back to."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.box import SECOND, Box, deliver, eventually, initialised, row

SQL = """-- the wind is left out: the next text will find its worth
select * exclude (wind),
       kind = 'c' and wind is not null as rough
from rows
"""


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Box]:
    """Return a workspace whose first rows show well who will be late; nothing runs."""
    box = initialised(tmp_path, deliver(tmp_path / "first.csv", 1, SECOND))
    yield box
    box.end()


def test_an_edited_transformation_trains_anew_and_a_rollback_uses_the_old_one(
    fresh: Box, tmp_path: Path
) -> None:
    sql = fresh.path / "transform" / "late.sql"
    sql.parent.mkdir()
    sql.write_text(SQL.replace("wind is", "windd is"))
    config = fresh.path / "cdml.toml"
    text = config.read_text().replace("on = []", 'on = ["recipe"]')
    config.write_text(f'{text}\n[models.late.transform]\nsql = "transform/late.sql"\n')
    fresh.up()
    failed = eventually(
        "the first run says what is wrong",
        lambda: next((j for j in fresh.control.jobs() if j.state == "failed"), None),
    )
    assert 'line 3 names the column "windd", which the rows have not' in failed.error
    assert fresh.refused("reload", code=2)["code"] == "bad_transform"
    sql.write_text(SQL)
    fresh.ask("train", "late", "--wait")
    assert fresh.champion() == "v1"

    answered, before = fresh.predict(row("a-1"))
    assert (answered, before["predictions"][0]["version"]) == (200, "v1")
    shown = fresh.ask("show", "late", "v1")
    sealed = shown["manifest"]["transform"]
    assert (sealed["kept"], sealed["source"]["text"]) == (["kind", "hour"], SQL)
    assert "tried on 20 rows: makes rough" in fresh.run("check").stdout

    fresh.ask(
        "ingest", "late", str(deliver(tmp_path / "second.csv", 2, SECOND + timedelta(days=9)))
    )
    # The mended file may ask for a training too, by itself: that run is another.
    former = {j.id for j in fresh.control.jobs()}
    sql.write_text(SQL.replace(" as rough", " as rough, wind > 12 or kind = 'c' as windy"))
    plan = fresh.ask("train", "late", "--plan")
    assert plan["transform"].endswith(", changed since v1")
    run = eventually(
        "a training with its cause",
        lambda: next(
            (
                j
                for j in fresh.control.jobs()
                if "late.sql changed" in j.cause and j.id not in former
            ),
            None,
        ),
    )
    eventually("it ends", lambda: fresh.control.job(run.id).ended_at)
    assert fresh.ask("promote", "late", "v2", "--expect", "v1")["changed"] is True
    assert fresh.predict(row("a-2"))[1]["predictions"][0]["version"] == "v2"
    lineage = fresh.ask("lineage", "late", "v2")
    assert lineage["transform"]["derived"] == ["rough", "windy"]
    assert "the source of transform/late.sql changed to" in lineage["cause"]
    assert "transformed by transform/late.sql" in fresh.run("lineage", "late", "v2").stdout

    assert fresh.ask("rollback", "late")["to"] == "v1"
    _, after = fresh.predict(row("a-1"))
    assert after["predictions"][0]["version"] == "v1"
    assert after["predictions"][0]["score"] == before["predictions"][0]["score"]
    assert fresh.ask("reproduce", "late", "v1")["same"] is True
    fresh.ask("down")
    logged = fresh.query("select distinct features from predictions where id = 'a-1'")
    assert len(logged) == 1
    assert "rough" not in logged[0][0]
