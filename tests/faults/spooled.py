"""Write many records into a stopped workspace's log, as serving would: by its own writer.

python -m tests.faults.spooled WORKSPACE N: each is one that serving wrote there, with fresh ids.
"""

import sys
from itertools import cycle, islice
from pathlib import Path

from msgspec import structs

from engine.spool import PredictionRecord, Spool, decode, encode, read, segments


def main(argv: list[str]) -> int:
    """Append N records to the log."""
    folder, wanted = Path(argv[0]) / "spool", int(argv[1])
    found = [decode(r.payload) for s in segments(folder) for r in read(s.path, sealed=True)]
    known = [record for record in found if isinstance(record, PredictionRecord)]
    log = Spool(folder, "many")
    for number, record in enumerate(islice(cycle(known), wanted)):
        rows = range(len(record.ids))
        ids = [f"many-{number}-{row}" for row in rows]
        log.append(encode(structs.replace(record, prediction_ids=[f"p-{i}" for i in ids], ids=ids)))
    log.close()
    return log.dropped


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
