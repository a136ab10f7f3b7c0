"""The contract of a version: every wrong row is refused by the name of its field."""

from typing import Any

import pytest

from engine.domain.schema import Feature, Kind, Schema
from engine.errors import InvalidError

SCHEMA = Schema(
    (
        Feature("hour", Kind.NUMERIC, nullable=False, low=0, high=23),
        Feature("distance", Kind.NUMERIC, nullable=True),
        Feature("carrier", Kind.CATEGORICAL, nullable=False, categories=("AA", "UA")),
        Feature("holiday", Kind.BOOLEAN, nullable=False),
    )
)
ROW = {"hour": 7, "distance": None, "carrier": "AA", "holiday": False}


def test_a_row_as_training_saw_them_has_no_flags() -> None:
    assert SCHEMA.check(ROW) == []


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"hour": None}, "wrong_type", "hour"),
        ({"hour": "7"}, "wrong_type", "hour"),
        ({"hour": True}, "wrong_type", "hour"),
        ({"hour": float("nan")}, "wrong_type", "hour"),
        ({"distance": float("inf")}, "wrong_type", "distance"),
        ({"distance": 10**400}, "wrong_type", "distance"),
        ({"carrier": 5}, "wrong_type", "carrier"),
        ({"holiday": 1}, "wrong_type", "holiday"),
        ({"wind": 1.0}, "unknown_feature", "wind"),
    ],
)
def test_each_error_names_its_field(change: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(InvalidError) as found:
        SCHEMA.check(ROW | change)
    assert (found.value.code, found.value.field) == (code, field)
    assert f'"{field}"' in found.value.message


@pytest.mark.parametrize("name", SCHEMA.names)
def test_a_missing_feature_is_named_even_where_another_is_too_many(name: str) -> None:
    row = {k: v for k, v in ROW.items() if k != name} | {"stranger": 1}
    with pytest.raises(InvalidError) as found:
        SCHEMA.check(row)
    assert (found.value.code, found.value.field) == ("missing_feature", name)


def test_an_error_shows_no_more_than_a_little_of_a_hostile_value() -> None:
    with pytest.raises(InvalidError) as found:
        SCHEMA.check(ROW | {"hour": "x" * 100_000})
    assert len(found.value.message) < 200
    with pytest.raises(InvalidError) as found:
        SCHEMA.check(ROW | {"y" * 100_000: 1})
    assert len(found.value.message) < 300


def test_what_is_unusual_is_answered_and_flagged() -> None:
    odd = ROW | {"hour": 99, "carrier": "ZZ", "distance": 1e9}
    assert SCHEMA.check(odd) == ["range:hour", "unseen:carrier"]
