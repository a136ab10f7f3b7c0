"""A look at data quality on the shipped flights: its cost, and what it calls wrong in a year."""

import tempfile
import time
from pathlib import Path

import msgspec

from engine.domain.quality import excess, named
from engine.pipeline import quality
from engine.pipeline.look import look_at
from engine.pipeline.quality import QualityDetail
from engine.store.scores import Score
from tests.bench.figure import Figure, median
from tests.bench.watched import flights, weeks

LONG = "59d"  # about 17,000 rows
REPEATS = 3


def measure() -> list[Figure]:
    """Look at each week of the year that the champion did not see, then at 59 days at once."""
    with tempfile.TemporaryDirectory(prefix="cdml-bench-quality-") as folder:
        place = flights(Path(folder) / "workspace")
        settings = place.model("late")
        wrong = sum(
            _wrong(score)
            for week in weeks()
            for score in quality.measured(place, look_at("late", "v1", settings, week))
        )
        monitor = msgspec.structs.replace(settings.monitor, window=LONG)
        long = look_at(
            "late", "v1", msgspec.structs.replace(settings, monitor=monitor), weeks()[20]
        )
        spent, rows = [], 0
        for _ in range(REPEATS):
            began = time.process_time()
            rows = quality.measured(place, long)[0].n
            spent.append(time.process_time() - began)
        place.close()
    return [
        median(f"quality of a look at {rows} flights, CPU", spent, "s", 0.3),
        Figure("quality checks that are wrong in the year's looks", wrong, "", len(weeks()), 0),
    ]


def _wrong(score: Score) -> bool:
    detail = msgspec.json.decode(score.detail or "{}", type=QualityDetail)
    return (excess(named(score.name)[0], score.value, detail.expected) or 0.0) > 0.0
