"""What of a delivered batch is refused, what is only told, and that honest ones pass."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from engine.pipeline.ingest import ingest
from engine.wire import UploadAnswer
from tests.engine.pipeline.place import START, Place, csv

Change = Callable[[list[str], int], list[str]]


def changed(content: str, change: Change) -> str:
    head, *rows = content.splitlines()
    lines = [",".join(change(row.split(","), at)) for at, row in enumerate(rows)]
    return "\n".join([head, *lines]) + "\n"


def second(place: Place, change: Change) -> UploadAnswer:
    """Deliver a good batch, then one of the next days with a change in each row."""
    place.clock.time = START + timedelta(days=60)
    ingest(place, "late", place.drop("a.csv", csv()))
    more = csv(2, 200, start=START - timedelta(days=5))
    return ingest(place, "late", place.drop("b.csv", changed(more, change)))


def set_to(place: int, value: str, every: int = 1) -> Change:
    def change(row: list[str], at: int) -> list[str]:
        return [value if n == place and at % every == 0 else cell for n, cell in enumerate(row)]

    return change


def test_the_next_honest_days_are_accepted_without_a_word(place: Place) -> None:
    answer = second(place, lambda row, at: row)
    assert (answer.verdict, answer.reasons) == ("accepted", [])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda row, at: [*row[:2], f"{float(row[2]) * 10:.2f}", *row[3:]], "times 10"),
        (lambda row, at: [*row[:2], f"{float(row[2]) * 1.8 + 32:.2f}", *row[3:]], "Fahrenheit"),
        (set_to(2, "-999", every=9), 'far outside of .*, like -999'),
        (set_to(2, ""), '200 of 200 rows have no "wind", 0.0% before'),
        (set_to(3, "new", every=2), '100 of 200 rows have a "kind" that never came: "new"'),
        (set_to(5, "", every=2), '100 of 200 rows have no "late"'),
        (set_to(5, "true"), 'have the same "late", true'),
        (set_to(0, "same", every=2), "99 of 200 rows repeat another row"),
        (set_to(1, "2031-01-01T00:00:00", every=3), "67 of 200 rows lie in the future"),
        (lambda row, at: [*row[:4], row[5], row[5]], '"windy" alone tells "late"'),
    ],
    ids=["x10", "fahrenheit", "filler", "nulls", "unseen", "unlabelled", "one class", "repeated",
         "future", "leak"],
)  # fmt: skip
def test_what_is_wrong_with_a_batch_is_said_and_it_is_set_aside(
    place: Place, change: Change, reason: str
) -> None:
    answer = second(place, change)
    assert answer.verdict == "quarantined"
    assert re.search(reason, " ".join(answer.reasons))
    assert "cdml quarantine late accept" in answer.reasons[-1]


def test_an_id_with_two_labels_and_a_mixed_zone_are_set_aside(place: Place) -> None:
    def twice(row: list[str], at: int) -> list[str]:
        return [f"x{at // 2}", *row[1:5], "true" if at % 2 else "false"]

    assert "ids come with different" in " ".join(second(place, twice).reasons)
    zoned = changed(
        csv(3, 100, start=START + timedelta(days=4)),
        lambda row, at: [row[0], row[1] + ("+02:00" if at % 2 else ""), *row[2:]],
    )
    answer = ingest(place, "late", place.drop("c.csv", zoned))
    assert '"t" mixes 50 times that name their zone' in " ".join(answer.reasons)


def test_a_first_batch_of_one_outcome_or_with_a_third_one_is_set_aside(place: Place) -> None:
    place.clock.time = START + timedelta(days=60)
    one = ingest(place, "late", place.drop("a.csv", changed(csv(), set_to(5, "true"))))
    assert 'the same "late", true' in one.reasons[0]
    three = changed(csv(), set_to(5, "maybe", every=3))
    answer = ingest(place, "late", place.drop("b.csv", three))
    assert '"late" has "false", "maybe", "true"' in " ".join(answer.reasons)


def test_known_ids_with_other_labels_are_set_aside(place: Place) -> None:
    place.clock.time = START + timedelta(days=60)
    ingest(place, "late", place.drop("a.csv", csv()))
    turned = changed(csv(), lambda row, at: [*row[:5], "false" if at % 10 == 0 else row[5]])
    answer = ingest(place, "late", place.drop("b.csv", turned))
    assert re.search(r"\d+ of 600 ids that came before have another", " ".join(answer.reasons))
