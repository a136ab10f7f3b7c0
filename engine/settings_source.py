"""Where a model's rows come from besides its drop folder: a query, or its own prediction log."""

from typing import Annotated

import msgspec

from engine.settings_rules import between, positive, says, wrong


class SourceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One source that is asked again and again: `sql` over named files, or the prediction log."""

    sql: Annotated[
        str | None,
        says("One SELECT over the names in files, and source.TABLE of the database."),
    ] = None
    files: Annotated[
        dict[str, str],
        says("The files that sql may read, by a name: a path from cdml.toml on, * allowed."),
    ] = {}
    database: Annotated[
        str | None, says("A DuckDB file that sql may read as source.TABLE; it is never written.")
    ] = None
    log: Annotated[
        bool, says("Take the prediction log joined with its labels, once they are mature.")
    ] = False
    influences: Annotated[
        list[str] | None,
        says('With log: decisions that change the outcome, like ["true"]; absent: every one.'),
    ] = None
    influence_limit: Annotated[
        float, says("With log: the share of such rows beyond which they are refused.")
    ] = 0.1
    every: Annotated[str, says("Ask this often.")] = "1h"

    def __post_init__(self) -> None:
        positive("every", self.every)
        between("influence_limit", self.influence_limit, 0.0, 1.0)
        if (self.sql is not None) == self.log:
            wrong("sql", "a source is either a query or the log. Write sql, or log = true.")
        if self.sql is not None and not self.sql.strip():
            wrong("sql", "it is empty. Write one SELECT, or remove the source.")
        if self.log and (self.files or self.database):
            wrong("files", "files and database belong to sql. Remove them, or write sql.")
        if not self.log and self.influences is not None:
            wrong("influences", "it belongs to log = true. Remove it.")
        for name in self.files:
            if not name.isidentifier():
                wrong("files", f'"{name[:40]}" is no name. Use letters, digits and _.')
