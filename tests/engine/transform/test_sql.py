"""A SELECT transforms a row from that row alone, or it is refused before it is ever run."""

from typing import Any

import numpy as np
import pytest

from engine.domain.schema import Kind
from engine.errors import InvalidError
from engine.transform.columns import RowError
from engine.transform.sealed import source
from engine.transform.sql import checked
from engine.transform.transformation import Transformation

KINDS = {
    "wind": Kind.NUMERIC,
    "carrier": Kind.CATEGORICAL,
    "wet": Kind.BOOLEAN,
    "hour": Kind.NUMERIC,
}
ROWS: dict[str, list[Any]] = {
    "wind": [1.5, None, 4.0],
    "carrier": ["AA", "b6", None],
    "wet": [True, None, False],
    "hour": [6, 12, 23],
}


def made(sql: str, rows: dict[str, list[Any]] = ROWS) -> tuple[dict[str, Kind], dict[str, Any]]:
    return Transformation(source("sql", "t.sql", sql), KINDS)(rows)


def test_columns_come_out_by_row_with_nulls_as_they_are_in_sql() -> None:
    kinds, found = made(
        """
        select * exclude (hour), -- what stays, stays as it was
               wind * 2 as twice, twice + 1 as more, lower(carrier) as low,
               wet and wind > 1 as storm, hour::int // 6 as quarter,
               split_part(carrier, 'A', 2) as part, wind / 0 as no, try_cast(carrier as int) as try
        from rows as r -- the end
        """
    )
    assert kinds == {
        "wind": Kind.NUMERIC, "carrier": Kind.CATEGORICAL, "wet": Kind.BOOLEAN,
        "twice": Kind.NUMERIC, "more": Kind.NUMERIC, "low": Kind.CATEGORICAL,
        "storm": Kind.BOOLEAN, "quarter": Kind.NUMERIC, "part": Kind.CATEGORICAL,
        "no": Kind.NUMERIC, "try": Kind.NUMERIC,
    }  # fmt: skip
    np.testing.assert_array_equal(found["more"], [4.0, np.nan, 9.0])
    assert found["low"].tolist() == ["aa", "b6", None]
    assert found["storm"].tolist() == [True, None, False]
    assert found["quarter"].tolist() == [1.0, 2.0, 3.0]
    assert np.isnan(found["try"]).all()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("selec 1", 'line 1: DuckDB says "syntax error'),
        ("select wind\nfrom", "line 2: DuckDB says"),
        ("drop table rows", "Write one SELECT"),
        ("select wind as w from rows; select 1", "2 statements"),
        ("select wind as w from rows where wind > 1", "it has WHERE"),
        ("select wind as w from rows order by wind", "it has ORDER"),
        ("select distinct wind as w from rows limit 3", "it has DISTINCT, LIMIT"),
        ("select wind as w from rows group by wind", "it has GROUP BY"),
        ("select wind as w from rows using sample 2", "it has SAMPLE"),
        ("select wind as w from rows union all select hour from rows", "SET OPERATION"),
        ("with a as (select 1) select wind as w from rows", "it has WITH"),
        ("select a.wind as w from rows a, rows b", 'reads from "join"'),
        ("select * from read_csv('/etc/passwd')", 'reads from "table function"'),
        ("select * from 'other.csv'", 'reads from "other.csv"'),
        ("select 1 as one", 'reads from "empty"'),
        ("select avg(wind) as w from rows", "line 1 calls avg, which makes one row of many"),
        ("select count(*) as n from rows", "calls count_star, which makes one row of many"),
        ("select sum(wind) over () as w from rows", "line 1 looks at other rows"),
        ("select (select max(wind) from rows) as w from rows", "asks another query"),
        ("select unnest([1, 2]) as u from rows", "calls unnest, which gives several rows"),
        ("select\n random() as r from rows", "line 2 calls random, which is not the same"),
        ("select wind + epoch(now()) as r from rows", "calls now, which is not the same"),
        ("select current_date as d from rows", "asks for current_date, which is not"),
        ("select ago(interval 1 day) as d from rows", "calls ago, which is not the same"),
        ("select current_setting('threads') as s from rows", "calls current_setting"),
        ("select content as c from read_text('/etc/passwd')", 'reads from "table function"'),
        ("select nosuch(wind) as w from rows", "calls nosuch, which DuckDB does not know"),
        ("select windd as w from rows", 'names the column "windd", which the rows have not'),
        ("select wind + $1 as w from rows", "waits for a parameter"),
        ("select wind as w, hour as w from rows", 'two of its columns are called "w"'),
        ("select [wind] as w from rows", 'its column "w" is DOUBLE[]. Cast it'),
        ("select date '2024-01-01' as w from rows", 'its column "w" is DATE'),
        ("select lower(wind, 2) as w from rows", "DuckDB says"),
    ],
)
def test_what_is_no_expression_over_one_row_is_refused_and_where_is_said(
    sql: str, said: str
) -> None:
    with pytest.raises(InvalidError) as found:
        made(sql)
    assert said in found.value.message
    assert 'Reading the transformation "t.sql"' in found.value.message
    assert found.value.code == "bad_transform"


def test_without_delivered_rows_all_but_the_columns_is_checked() -> None:
    checked("t.sql", "select what as w from rows", None)
    with pytest.raises(InvalidError, match="which is not the same each time"):
        checked("t.sql", "select what + random() as w from rows", None)


def test_a_row_that_cannot_be_computed_is_named_and_the_next_ones_are_answered() -> None:
    numbers = source("sql", "t.sql", "select cast(carrier as integer) as n from rows")
    one = Transformation(numbers, KINDS, {"n": Kind.NUMERIC})
    many = {**{name: column * 300 for name, column in ROWS.items()}, "carrier": ["7"] * 900}
    many["carrier"][641] = "x"
    with pytest.raises(RowError) as found:
        one(many)
    assert found.value.at == 641
    assert "Could not convert" in found.value.said
    many["carrier"][641] = "8"
    assert one(many)[1]["n"][640:643].tolist() == [7.0, 8.0, 7.0]


def test_a_column_of_texts_is_read_as_texts_however_many_nulls_come_first() -> None:
    size = 5000
    rows = {**{n: c[:1] * size for n, c in ROWS.items()}, "carrier": [None] * (size - 1) + ["AA"]}
    _, found = made("select lower(carrier) as low from rows", rows)
    assert found["low"].tolist() == [None] * (size - 1) + ["aa"]
