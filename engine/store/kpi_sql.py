"""A KPI's SQL before it runs: one aggregate of pure functions over the documented columns.

Read from DuckDB's own syntax tree, so that what is checked is what would run.
"""

from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any

import msgspec

from engine.store.confined import connect

LONGEST = 10_000  # characters
_CLASSES = {
    "BETWEEN", "CASE", "CAST", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION",
    "OPERATOR", "TYPE",
}  # fmt: skip
_SAID = {
    "SUBQUERY": "it holds a subquery",
    "STAR": "it holds a star that stands for columns",
    "WINDOW": "it holds a window function",
    "PARAMETER": "it holds a parameter",
}
# Everything else may read files, settings or the clock, wait, or make a text of any length.
_PURE = """
    + - * / // % ** ^ ~~ !~~ ~~* !~~* nullif if
    abs ceil ceiling floor round trunc sign sqrt cbrt exp ln log log2 log10 pow power mod pi
    greatest least isnan isinf isfinite sin cos tan asin acos atan atan2 degrees radians
    lower upper length len trim ltrim rtrim contains starts_with ends_with prefix suffix
    substr substring left right strpos instr regexp_matches regexp_full_match
    date_part datepart date_trunc datetrunc date_diff datediff epoch year quarter month week day
    hour minute second dayofweek isodow weekday dayofyear dayname monthname
    to_weeks to_days to_hours to_minutes to_seconds to_months to_years
    array_extract list_extract list_element element_at array_length array_position list_position
    avg mean sum count count_star count_if countif min max median quantile quantile_cont
    quantile_disc mode mad product fsum favg kahan_sum sumkahan arg_max arg_min argmax argmin max_by
    min_by bool_and bool_or var_pop var_samp variance stddev stddev_pop stddev_samp sem skewness
    kurtosis kurtosis_pop entropy corr covar_pop covar_samp regr_slope regr_intercept regr_r2
    regr_count regr_avgx regr_avgy regr_sxx regr_syy regr_sxy
"""
_FUNCTIONS = frozenset(_PURE.split())


def whole(sql: str) -> str:
    """Return the expression so that a comment or a parenthesis of its own cannot end it."""
    return f"cast((\n{sql}\n) as double)"


def fault(sql: str, columns: Collection[str] | None = None) -> str | None:
    """Return why SQL is no single expression over these columns, or None.

    Without `columns` any name passes: which features there are is not known yet.
    """
    node = _node(sql)
    if isinstance(node, str):
        return node
    known = None if columns is None else {c.lower() for c in columns}
    for part in _parts(node):
        found = _part_fault(part, known)
        if found is not None:
            return found
    return None


def names(sql: str) -> set[str]:
    """Return the columns that an expression names, in lower case."""
    node = _node(sql)
    return {_column(p) or "" for p in _parts(node) if p.get("class") == "COLUMN_REF"}


@lru_cache(maxsize=64)
def averaged(sql: str) -> str | None:
    """Return the expression of one row whose plain average the SQL is, or None if it is not."""
    node = _node(sql)
    if isinstance(node, str):
        return None
    outer = node["select_list"][0]["child"]
    one = outer.get("function_name") in ("avg", "mean") and len(outer["arguments"]) == 1
    if not one or outer["distinct"] or outer.get("filter"):
        return None
    inner = {**node, "select_list": [outer["arguments"][0]["expression"]]}
    tree = {"error": False, "statements": [{"node": inner, "named_param_map": []}]}
    with connect() as db:
        row = db.execute("select json_deserialize_sql(?)", [_text(tree)]).fetchone()
    text = str(row[0]) if row else ""
    return text.removeprefix("SELECT ").removesuffix(" FROM log") or None


def _part_fault(part: dict[str, Any], known: set[str] | None) -> str | None:
    kind = part.get("class")
    if kind is not None and kind not in _CLASSES:
        return _SAID.get(kind, f"it holds a {str(kind).lower().replace('_', ' ')}")
    if kind == "FUNCTION":
        name = str(part.get("function_name"))
        if name == "row":
            return "it is not one value"
        if name not in _FUNCTIONS or len(part["qualified_name"]["path"]) > 1:
            return f'the function "{name[:40]}" may not be used here'
    if kind == "COLUMN_REF":
        column = _column(part)
        if column is None or (known is not None and column not in known):
            return f'there is no column "{".".join(part["column_names"])[:60]}"'
    return None


def _column(part: dict[str, Any]) -> str | None:
    """Return the column a reference names, None where it is a field of something else."""
    path = [str(n).lower() for n in part["column_names"]]
    if len(path) == 2 and path[0] == "log":
        return path[1]
    return path[0] if len(path) == 1 else None


@lru_cache(maxsize=64)
def _node(sql: str) -> Any:
    """Return the parsed select of an expression, or why there is none."""
    if len(sql) > LONGEST:
        return f"it is longer than {LONGEST} characters"
    with connect() as db:
        row = db.execute("select json_serialize_sql(?)", [f"select {whole(sql)} from log"])
        parsed: Any = msgspec.json.decode((row.fetchone() or ["{}"])[0])
    if parsed.get("error"):
        return str(parsed.get("error_message", "it cannot be parsed")).splitlines()[0]
    if len(parsed["statements"]) != 1:
        return "it is more than one statement"
    node = parsed["statements"][0]["node"]
    if node.get("type") != "SELECT_NODE" or node.get("from_table", {}).get("table_name") != "log":
        return "it reads something else than the joined log"
    if len(node.get("select_list", [])) != 1:
        return "it is more than one value"
    return node


def _parts(node: Any) -> Iterator[dict[str, Any]]:
    """Walk every object of a syntax tree."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _parts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _parts(value)


def _text(tree: Any) -> str:
    return msgspec.json.encode(tree).decode()
