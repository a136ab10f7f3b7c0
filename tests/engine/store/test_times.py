"""Times as people write them."""

from datetime import datetime

import duckdb
import pytest

from engine.store import times


def read(literal: str, found: str, timezone: str = "UTC") -> datetime:
    db = duckdb.connect()
    db.execute("set TimeZone = 'UTC'")
    sql = f"timezone('UTC', {times.moment('v', found, timezone)})"
    row = db.execute(f"select {sql} from (select {literal} as v)").fetchone()
    assert row is not None
    return row[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-31", "31.01.2024", "31.01.2024 00:00", "31 January 2024", "31 Jan 2024",
        "January 31, 2024", "Jan 31, 2024", "31-Jan-2024", "01/31/2024 12:00 AM",
        "20240131T000000", "2024-01-31T02:00:00+02:00",
    ],
)  # fmt: skip
def test_usual_texts_are_times(text: str) -> None:
    assert read(f"'{text}'", "VARCHAR") == datetime(2024, 1, 31)  # noqa: DTZ001 - as stored


@pytest.mark.parametrize(
    "number",
    ["20240131", "1706659200", "1706659200.0", "1706659200000", "1706659200000000",
     "1706659200000000000"],
)  # fmt: skip
def test_numbers_are_days_or_unix_time_by_their_size(number: str) -> None:
    kind = "DOUBLE" if "." in number else "BIGINT"
    assert read(f"{number}::{kind}", kind) == datetime(2024, 1, 31)  # noqa: DTZ001


def test_a_time_without_a_zone_is_of_the_workspace() -> None:
    assert read("'31.01.2024 01:00'", "VARCHAR", "Europe/Berlin").hour == 0
    assert read("20240131", "BIGINT", "Europe/Berlin").day == 30


@pytest.mark.parametrize(
    ("value", "kind"),
    [("'3/4/2024 8:00'", "VARCHAR"), ("'soon'", "VARCHAR"), ("2024", "BIGINT"),
     ("20241340", "BIGINT"), ("-5.5::double", "DOUBLE")],
)  # fmt: skip
def test_what_is_no_time_is_never_one(value: str, kind: str) -> None:
    with pytest.raises(duckdb.Error):
        read(value, kind)


def test_nothing_is_no_time_and_no_fault() -> None:
    assert read("null::varchar", "VARCHAR") is None
    assert read("null::bigint", "BIGINT") is None
