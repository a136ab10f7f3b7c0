"""What a SELECT may be to transform rows: expressions over each row of `rows`, nothing else.

Such a query gives one row for each row, in order, whatever the other rows are. It is read from
DuckDB's own parse tree, never from the text.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import InvalidError
from engine.settings_file import nearest

if TYPE_CHECKING:
    import duckdb

TABLE = "rows"
# What DuckDB reads as a function where no column has the name.
_MOMENTS = ("current_timestamp", "current_date", "current_time", "localtime", "localtimestamp")
_REFUSED = {
    "WINDOW": "looks at other rows",
    "SUBQUERY": "asks another query",
    "PARAMETER": "waits for a parameter",
}
_KINDS = {
    "aggregate": "makes one row of many",
    "window": "looks at other rows",
    "table": "gives several rows for one, or reads from elsewhere",
    "table_macro": "reads from elsewhere",
    "pragma": "changes a setting",
}
_CLAUSES = {
    "where_clause": "WHERE", "group_expressions": "GROUP BY", "having": "HAVING",
    "qualify": "QUALIFY", "sample": "SAMPLE",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Projection:
    """A SELECT that may be run, and the columns of `rows` that it needs; None for all."""

    sql: str
    used: frozenset[str] | None


def bad(name: str, found: str) -> InvalidError:
    """Return the error for a transformation that cannot be run as it is."""
    return InvalidError(
        f'Reading the transformation "{name}": {found}. Nothing else was changed.',
        code="bad_transform",
        field="transform",
    )


def projection(
    db: "duckdb.DuckDBPyConnection", name: str, text: str, raw: Collection[str] | None
) -> Projection:
    """Return a text as a projection; InvalidError says what it is instead, and where.

    `raw` are the columns of the rows, None where nothing was delivered yet.
    """
    tree = _tree(db, text)
    if tree["error"]:
        raise bad(name, f"{_unparsed(tree, text)}. Write one SELECT over {TABLE}")
    if len(tree["statements"]) != 1:
        raise bad(name, f"it holds {len(tree['statements'])} statements. Write one SELECT")
    node = tree["statements"][0]["node"]
    _check_shape(name, node)
    functions = _Functions(db)
    items = node["select_list"]
    found = list(_expressions(items))
    for expression in found:
        line = _line(text, expression)
        if expression["class"] in _REFUSED:
            raise bad(name, f"line {line} {_REFUSED[expression['class']]}. {_RULE}")
        if expression["class"] == "FUNCTION":
            why = functions.fault(expression["function_name"])
            if why is not None:
                raise bad(name, f"line {line} calls {expression['function_name']}, {why}. {_RULE}")
    named = _checked_columns(name, text, found, items, node["from_table"], raw)
    stars = [e for e in found if e["class"] == "STAR"]
    every = any(
        e["columns"] or e["exclude_list"] or e["replace_list"] or e["qualified_exclude_list"]
        or e["rename_list"]
        for e in stars
    )  # fmt: skip
    return Projection(text.strip().rstrip(";"), None if every else frozenset(named))


_RULE = (
    "A row may depend on nothing but itself, or it would not be the same in training and serving"
)


def _tree(db: "duckdb.DuckDBPyConnection", text: str) -> Any:
    ((found,),) = db.execute("select json_serialize_sql(?)", [text]).fetchall()
    return msgspec.json.decode(found)


def _unparsed(tree: Any, text: str) -> str:
    said = " ".join(str(tree.get("error_message", "")).split())[:200]
    place = tree.get("position")
    where = f"line {text.count(chr(10), 0, int(place)) + 1}: " if str(place).isdecimal() else ""
    return f'{where}DuckDB says "{said}"'


def _check_shape(name: str, node: Any) -> None:
    """Refuse whatever could give other rows, or rows in another order."""
    if node["type"] != "SELECT_NODE":
        what = node["type"].removesuffix("_NODE").replace("_", " ")
        raise bad(name, f"it is a {what}. Write one SELECT over {TABLE}")
    table = node["from_table"]
    whole = table["type"] == "BASE_TABLE" and not table["schema_name"] and not table["sample"]
    if not whole or table["table_name"].lower() != TABLE:
        found = table.get("table_name") or table["type"].replace("_", " ").lower()
        raise bad(name, f'it reads from "{found[:60]}". Its one table is {TABLE}, by itself')
    clauses = [said for key, said in _CLAUSES.items() if node[key]]
    clauses += [m["type"].removesuffix("_MODIFIER") for m in node["modifiers"]]
    clauses += ["WITH"] if node["cte_map"]["map"] else []
    if clauses:
        raise bad(
            name,
            f"it has {', '.join(clauses)}. One row is expected for each row, in the same order: "
            f"write expressions over {TABLE} and nothing behind FROM {TABLE}",
        )


def _expressions(found: Any) -> Iterator[dict[str, Any]]:
    """Return every expression within a part of the tree; what a subquery holds is not looked at."""
    if isinstance(found, list):
        for one in found:
            yield from _expressions(one)
    elif isinstance(found, dict):
        if "class" in found:
            yield found
            if found["class"] == "SUBQUERY":
                return
        for one in found.values():
            yield from _expressions(one)


def _line(text: str, expression: dict[str, Any]) -> int:
    place = int(expression.get("query_location", 0))
    return text.count("\n", 0, place) + 1 if place <= len(text) else 1


def _checked_columns(
    name: str,
    text: str,
    found: list[dict[str, Any]],
    items: list[dict[str, Any]],
    table: dict[str, Any],
    raw: Collection[str] | None,
) -> set[str]:
    """Return the raw columns that are named; an error for one that is neither raw nor made here."""
    made = {item["alias"].lower() for item in items if item.get("alias")}
    made |= {
        part.lower()
        for e in found
        if e["class"] == "LAMBDA"
        for ref in _expressions(e["lhs"])
        if ref["class"] == "COLUMN_REF"
        for part in ref["column_names"]
    }
    known = {column.lower(): column for column in raw or ()}
    tables = {TABLE, (table["alias"] or TABLE).lower()}
    named = set()
    for e in found:
        if e["class"] != "COLUMN_REF":
            continue
        path = [part.lower() for part in e["column_names"]]
        column = path[1] if len(path) > 1 and path[0] in tables else path[0]
        if column in known:
            named.add(known[column])
        elif column in _MOMENTS:
            raise bad(
                name, f"line {_line(text, e)} asks for {column}, {_Functions.CHANGING}. {_RULE}"
            )
        elif column not in made and raw is not None:
            hint = nearest(column, list(known))
            raise bad(
                name,
                f'line {_line(text, e)} names the column "{column[:60]}", which the rows have '
                f"not.{hint} They have: {', '.join(raw)}",
            )
    return named


class _Functions:
    """Which functions give the same for the same row: what DuckDB's catalog says of each."""

    CHANGING = "which is not the same each time"

    def __init__(self, db: "duckdb.DuckDBPyConnection") -> None:
        self._db = db

    def fault(self, function: str) -> str | None:
        """Say why a function may not be called, None where it may."""
        found = self._db.execute(
            "select function_type, stability, macro_definition from duckdb_functions() "
            "where function_name = lower(?)",
            [function],
        ).fetchall()
        if not found:
            return "which DuckDB does not know"
        scalars = [stability for kind, stability, _ in found if kind == "scalar"]
        if any(stability != "CONSISTENT" for stability in scalars):
            return self.CHANGING
        for kind, _, definition in found:
            if kind == "macro":
                why = self._macro_fault(definition)
            else:
                why = f"which {_KINDS[kind]}" if kind in _KINDS and not scalars else None
            if why is not None:
                return why
        return None

    def _macro_fault(self, definition: str) -> str | None:
        tree = _tree(self._db, f"select {definition}")
        for e in _expressions([] if tree["error"] else tree["statements"]):
            if e["class"] in _REFUSED:
                return f"which {_REFUSED[e['class']]}"
            moment = e["class"] == "COLUMN_REF" and e["column_names"][-1].lower() in _MOMENTS
            own = definition == e.get("function_name")
            why = self.CHANGING if moment else None
            if e["class"] == "FUNCTION" and not own:
                why = self.fault(e["function_name"])
            if why is not None:
                return why
        return None
