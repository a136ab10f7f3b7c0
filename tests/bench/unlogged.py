"""`engine serve` with the prediction log cut out, for the cost of it; the product cannot do this.

`python -m tests.bench.unlogged WORKSPACE`
"""

import sys
from pathlib import Path

from engine import spool


def _nothing(record: spool.SpoolRecord) -> bytes:
    del record
    return b""


def _taken(self: spool.Spool, payload: bytes) -> bool:
    del self, payload
    return True


if __name__ == "__main__":
    # Before anything of serving is imported, which takes these two by name.
    spool.encode = _nothing
    spool.Spool.append = _taken  # type: ignore[method-assign]
    from engine.serving import server

    sys.exit(server.run(Path(sys.argv[1])))
