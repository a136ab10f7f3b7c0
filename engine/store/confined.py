"""DuckDB as every room of ours opens it: it fetches nothing and loads no code.

Left to itself it gets an extension from the network where a file or a function seems to need one.
"""

from pathlib import Path

import duckdb

ALONE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}


def connect(
    path: str | Path = ":memory:",
    *,
    threads: int | None = 1,
    read_only: bool = False,
    **config: str,
) -> duckdb.DuckDBPyConnection:
    """Open a database, in memory where no path is said; `config` are settings of DuckDB."""
    counted = {} if threads is None else {"threads": str(threads)}
    return duckdb.connect(str(path), read_only=read_only, config={**config, **counted, **ALONE})
