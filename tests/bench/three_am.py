"""From a shell prompt to served by the old version, against a real engine and a real breach."""

import tempfile
from pathlib import Path

from tests import night
from tests.bench.figure import Figure, median
from tests.box import copied, stocked

NIGHTS = 3


def measure() -> list[Figure]:
    """Break a champion and take it back, each time in a workspace of its own."""
    found: list[night.Night] = []
    with tempfile.TemporaryDirectory(prefix="cdml-night-") as folder:
        source = stocked(Path(folder))
        for at in range(NIGHTS):
            place = Path(folder) / str(at)
            place.mkdir()
            with copied(source, place / "box") as box:
                box.up()
                night.breach(box)
                found.append(night.taken_back(box, place))
                box.down()
    return [
        Figure(
            "3 a.m.: keys from the prompt to the old version",
            max(f.keys for f in found),
            "keys",
            NIGHTS,
            6,
        ),
        median("3 a.m.: Enter to the screen", [f.ready_s for f in found], "s", 0.8),
        median("3 a.m.: Enter to served by the old version", [f.served_s for f in found], "s", 4),
    ]
