"""What becomes of a delivered file: taken in, recognised, or set aside whole with its reason."""

import os
from pathlib import Path

import pytest

from engine.errors import InvalidError
from engine.pipeline.deliver_labels import deliver
from engine.pipeline.ingest import ingest, ingest_waiting
from engine.store import batches, labels
from tests.engine.pipeline.place import SETTINGS, Place, csv


def test_a_good_file_becomes_a_batch_and_leaves_the_drop_folder(place: Place) -> None:
    answer = ingest(place, "late", place.drop("a.csv", csv()))
    assert (answer.verdict, answer.rows, answer.reasons) == ("accepted", 600, [])
    assert not list(place.workspace.incoming("late").iterdir())
    assert (place.workspace.batches / f"{answer.batch}.parquet").is_file()
    assert batches.columns(place.store, "late") == {
        "id": "VARCHAR", "t": "TIMESTAMP", "wind": "DOUBLE", "kind": "VARCHAR",
        "windy": "BOOLEAN", "late": "BOOLEAN",
    }  # fmt: skip


def test_the_same_file_and_the_same_rows_in_another_file_are_duplicates(place: Place) -> None:
    first = ingest(place, "late", place.drop("a.csv", csv()))
    same = ingest(place, "late", place.drop("b.csv", csv()))
    quoted = csv().replace(",a,", ',"a",')
    rows = ingest(place, "late", place.drop("c.csv", quoted))
    back = (place.workspace.batches / f"{first.batch}.parquet").read_bytes()
    snapshot = ingest(place, "late", place.drop("d.parquet", back))
    for answer in (same, rows, snapshot):
        assert (answer.verdict, answer.batch, answer.rows) == ("duplicate", first.batch, 0)
    assert len(list(place.workspace.batches.glob("*.parquet"))) == 1
    assert not list(place.workspace.incoming("late").iterdir())


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("missing.csv", csv().replace("wind,kind", "breeze,kind"), '"wind" is missing'),
        ("renamed.csv", csv().replace("wind,kind", "wind_kt,kind"), "was the column renamed"),
        ("type.csv", csv(2).replace(",a,", ",5,").replace(",true", ",2"), '"windy" is'),
        ("empty.csv", "", "it is empty, 0 bytes"),
        ("cut.csv", csv()[:4_030], "cut off in the middle of a row?"),
        ("two.csv", csv().replace("wind,kind", "x,y"), 'columns "wind", "kind" are missing.'),
        ("header.csv", "id,t,wind,kind,windy,late\n", "it has no rows"),
        ("timeless.csv", csv(n=5) + "x,,1,a,true,true\n", '1 rows have no "t"'),
        ("half.parquet", "PAR1 and then nothing", "half.parquet"),
        ("a.exe", "MZ", "no known format"),
    ],
)
def test_a_bad_file_is_kept_whole_in_quarantine_with_its_reason(
    place: Place, name: str, content: str, reason: str
) -> None:
    ingest(place, "late", place.drop("good.csv", csv()))
    answer = ingest(place, "late", place.drop(name, content))
    assert (answer.verdict, answer.batch, answer.rows) == ("quarantined", None, 0)
    assert reason in " ".join(answer.reasons)
    # Nobody can accept what has no rows: only what then has an effect is offered.
    assert " accept " not in answer.reasons[-1]
    assert answer.reasons[-1].startswith("It cannot be taken in as it is: deliver it mended")
    kept = place.workspace.quarantine("late")
    (file,) = [p for p in kept.iterdir() if not p.name.endswith(".why.txt")]
    assert file.name.endswith(name)
    assert file.read_text() == content
    assert reason in file.with_name(file.name + ".why.txt").read_text()
    assert not list(place.workspace.incoming("late").iterdir())
    assert len(list(place.workspace.batches.glob("*.parquet"))) == 1


def test_a_refused_file_is_judged_again_when_it_comes_again(place: Place) -> None:
    content = csv().replace("late\n", "delayed\n", 1)
    assert ingest(place, "late", place.drop("a.csv", content)).verdict == "quarantined"
    assert ingest(place, "late", place.drop("a.csv", content)).verdict == "quarantined"
    other = Place.made(place.workspace.root / "other", SETTINGS.replace('"late"', '"delayed"'))
    other.store.close()
    other.store = place.store
    assert ingest(other, "late", other.drop("a.csv", content)).verdict == "accepted"
    other.ledger.close()


def test_a_new_column_is_left_out_with_a_warning(place: Place) -> None:
    ingest(place, "late", place.drop("a.csv", csv()))
    more = "\n".join(
        line + (",extra" if at == 0 else ",7") for at, line in enumerate(csv(2).splitlines())
    )
    answer = ingest(place, "late", place.drop("b.csv", more))
    assert answer.verdict == "accepted_with_warnings"
    assert answer.reasons == ['column "extra" is new and was left out']


def test_a_column_that_lost_all_its_values_is_set_aside(place: Place) -> None:
    ingest(place, "late", place.drop("a.csv", csv()))
    lines = [line.split(",") for line in csv(2).splitlines()]
    content = "\n".join(
        ",".join(c if at == 0 or n not in (2, 5) else "" for n, c in enumerate(line))
        for at, line in enumerate(lines)
    )
    answer = ingest(place, "late", place.drop("b.csv", content))
    assert answer.verdict == "quarantined"
    assert '600 of 600 rows have no "wind", 0.0% before' in " ".join(answer.reasons)


def test_a_time_that_cannot_be_read_is_a_reason_and_no_crash(place: Place) -> None:
    content = "id,t,x,late\n1,week 7,2,true\n"
    answer = ingest(place, "late", place.drop("a.csv", content))
    assert answer.verdict == "quarantined"
    number = ingest(place, "late", place.drop("b.csv", "id,t,x,late\n1,17000000,2,true\n"))
    assert number.verdict == "quarantined"
    assert batches.columns(place.store, "late") == {}


def test_only_whole_files_are_taken_from_the_drop_folder(place: Place) -> None:
    for name in (".hidden.csv", "a.csv.part", "a.tmp"):
        place.drop(name, csv())
    fresh = place.drop("fresh.csv", csv())
    os.utime(fresh, (1000.0, 1000.0))
    assert ingest_waiting(place, 999.0) == []
    assert ingest_waiting(place, 1000.0) == ["late"]
    left = {p.name for p in place.workspace.incoming("late").iterdir()}
    assert left == {".hidden.csv", "a.csv.part", "a.tmp"}


def test_one_file_that_cannot_be_opened_does_not_hold_up_the_others(place: Place) -> None:
    place.drop("a.csv", csv())
    (place.workspace.incoming("late") / "b.csv").symlink_to(place.workspace.root)
    (place.workspace.incoming("late") / "c.csv").symlink_to("nowhere")
    place.drop("d.csv", csv(2))
    assert ingest_waiting(place, float("inf")) == ["late"]
    assert len(place.told_of("ingest")) == 2


def test_a_link_is_not_followed_whoever_can_read_what_it_leads_to(place: Place) -> None:
    secret = place.workspace.root / "secret.csv"
    secret.write_text(csv())
    link = place.workspace.incoming("late") / "a.csv"
    link.symlink_to(secret)
    for _ in range(2):
        assert ingest_waiting(place, float("inf")) == []
    (told,) = place.told_of("ingest")
    assert "it is a link" in str(told)
    assert link.is_symlink()
    assert not list(place.workspace.quarantine("late").iterdir())


def label_file(place: Place, text: str, name: str = "labels.csv") -> Path:
    path = place.workspace.root / name
    path.write_text(text)
    return path


def stored(place: Place) -> list[tuple[str, str, str | None]]:
    with place.store.read() as db:
        return db.execute("select id, ts::varchar, value from labels order by id").fetchall()


def test_a_file_of_labels_is_merged_with_times_in_any_zone(place: Place) -> None:
    text = "id,value,ts\n1,true,2024-03-01T10:00:00+02:00\n2,,2024-03-01T10:00:00Z\n"
    answer = deliver(place, "late", label_file(place, text))
    assert (answer.verdict, answer.rows) == ("accepted", 2)
    assert stored(place) == [
        ("1", "2024-03-01 08:00:00", "true"),
        ("2", "2024-03-01 10:00:00", None),
    ]


def test_labels_may_come_under_the_models_own_names_and_without_a_time(place: Place) -> None:
    answer = deliver(place, "late", label_file(place, "id,late\n7,false\n,true\n"))
    assert answer.verdict == "accepted_with_warnings"
    assert "1 rows have no id" in answer.reasons[0]
    assert stored(place) == [("7", "2024-03-01 00:00:00", "false")]


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", "id,ts\n1,2024-03-01\n", "id,value,ts\n1,1,soon\n", ""]
)
def test_a_file_that_holds_no_labels_is_refused_and_nothing_taken(place: Place, text: str) -> None:
    with pytest.raises(InvalidError, match="labels"):
        deliver(place, "late", label_file(place, text))
    assert labels.count(place.store, "late") == 0
