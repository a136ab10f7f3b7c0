"""The contract of a version: every wrong row is refused by the name of its field."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.contract import Checked, Contract
from engine.domain.schema import Feature, Kind, Schema
from engine.errors import InvalidError
from engine.stats.encoding import rows_matrix

SCHEMA = Schema(
    (
        Feature("hour", Kind.NUMERIC, nullable=False, low=0, high=23),
        Feature("distance", Kind.NUMERIC, nullable=True),
        Feature("carrier", Kind.CATEGORICAL, nullable=False, categories=("AA", "UA")),
        Feature("holiday", Kind.BOOLEAN, nullable=False),
    )
)
CONTRACT = Contract(SCHEMA)
ROW = {"hour": 7, "distance": None, "carrier": "AA", "holiday": False}


def read(
    row: dict[str, Any], *, contract: Contract = CONTRACT, flag_nulls: bool = False
) -> Checked:
    """Read one row as a client's would be."""
    contract.check_names(row)
    return contract.read({name: [row[name]] for name in row}, flag_nulls=flag_nulls)


def test_a_row_as_training_saw_them_has_no_flags() -> None:
    checked = read(ROW)
    assert checked.flags == {}
    assert [column[0] for column in checked.columns[:1] + checked.columns[2:]] == [7, 0.0, 0.0]
    assert math.isnan(checked.columns[1][0])


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"hour": None}, "wrong_type", "hour"),
        ({"hour": "7"}, "wrong_type", "hour"),
        ({"hour": True}, "wrong_type", "hour"),
        ({"hour": float("nan")}, "wrong_type", "hour"),
        ({"distance": float("inf")}, "wrong_type", "distance"),
        ({"distance": 10**400}, "wrong_type", "distance"),
        ({"distance": 2**63}, "wrong_type", "distance"),
        ({"distance": -1e39}, "wrong_type", "distance"),
        ({"carrier": 5}, "wrong_type", "carrier"),
        ({"holiday": 1}, "wrong_type", "holiday"),
        ({"wind": 1.0}, "unknown_feature", "wind"),
    ],
)
def test_each_error_names_its_field(change: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(InvalidError) as found:
        read(ROW | change)
    assert (found.value.code, found.value.field) == (code, field)
    assert f'"{field}"' in found.value.message


@pytest.mark.parametrize("name", SCHEMA.names)
def test_a_missing_feature_is_named_even_where_another_is_too_many(name: str) -> None:
    row = {k: v for k, v in ROW.items() if k != name} | {"stranger": 1}
    with pytest.raises(InvalidError) as found:
        read(row)
    assert (found.value.code, found.value.field) == ("missing_feature", name)


def test_an_error_shows_no_more_than_a_little_of_a_hostile_value() -> None:
    with pytest.raises(InvalidError) as found:
        read(ROW | {"hour": "x" * 100_000})
    assert len(found.value.message) < 200
    with pytest.raises(InvalidError) as found:
        read(ROW | {"y" * 100_000: 1})
    assert len(found.value.message) < 300


def test_what_is_unusual_is_answered_and_flagged() -> None:
    odd = ROW | {"hour": 99, "carrier": "ZZ", "distance": 1e9}
    checked = read(odd)
    assert checked.flags == {0: ["range:hour", "unseen:carrier"]}
    assert checked.columns[0] == [99]
    assert math.isnan(checked.columns[2][0])


def test_a_null_that_training_never_saw_is_answered_and_flagged_where_that_is_wanted() -> None:
    checked = read(ROW | {"hour": None, "carrier": None}, flag_nulls=True)
    assert checked.flags == {0: ["null:hour", "null:carrier"]}


def test_what_the_estimator_cannot_answer_is_refused_whatever_is_wanted() -> None:
    contract = Contract(SCHEMA, frozenset({"distance"}))
    assert read(ROW, contract=contract).flags == {}
    for change in ({"hour": None}, {"carrier": "ZZ"}, {"holiday": None}):
        with pytest.raises(InvalidError):
            read(ROW | change, contract=contract, flag_nulls=True)


def test_an_error_says_in_which_row() -> None:
    with pytest.raises(InvalidError, match='"hour" of row 2'):
        CONTRACT.read(
            {name: [value, None if name == "hour" else value] for name, value in ROW.items()}
        )


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "hour": st.integers(-100, 100) | st.floats(-1e30, 1e30),
                "distance": st.none() | st.floats(-1e30, 1e30) | st.integers(-(2**63), 2**63 - 1),
                "carrier": st.sampled_from(["AA", "UA", "ZZ", ""]),
                "holiday": st.booleans(),
            }
        ),
        min_size=1,
        max_size=5,
    )
)
def test_serving_encodes_as_training_did(rows: list[dict[str, Any]]) -> None:
    columns = {name: [row[name] for row in rows] for name in SCHEMA.names}
    found = np.array(CONTRACT.read(columns).columns, dtype=np.float64).T
    np.testing.assert_array_equal(found, rows_matrix(SCHEMA, rows))
