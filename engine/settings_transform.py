"""What is done to a model's rows before its recipe and its clients' answers see them."""

from pathlib import PurePosixPath
from typing import Annotated

import msgspec

from engine.settings_rules import OWN_RECIPE, says, wrong


class TransformSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One transformation, the same in training and serving: a SELECT in a file, or a function."""

    sql: Annotated[
        str | None,
        says("A file beside cdml.toml with one SELECT over rows: a row out for each row in."),
    ] = None
    python: Annotated[
        str | None,
        says('"package.module:function" beside cdml.toml: columns in, columns out, row by row.'),
    ] = None

    def __post_init__(self) -> None:
        if (self.sql is None) == (self.python is None):
            wrong("sql", "a transformation is either a query or a function. Write sql or python.")
        if self.sql is not None:
            path = PurePosixPath(self.sql)
            if not self.sql.strip() or path.is_absolute() or ".." in path.parts:
                wrong("sql", f'"{self.sql[:60]}" is no file below the folder of cdml.toml.')
        if self.python is not None and not OWN_RECIPE.fullmatch(self.python):
            wrong("python", f'"{self.python[:60]}" is no "module:function".')
