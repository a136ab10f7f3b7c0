"""What a training leaves behind is judged before anything of it is stored or loaded."""

from pathlib import Path

import pytest

from engine.jobs.runner import Runner
from engine.pipeline.ingest import ingest
from tests.engine.pipeline.place import SETTINGS, Place, csv

RECIPES = """
import os, pickle
from engine import artifacts

class Touching:
    def __reduce__(self):
        return os.system, ("touch {mark}",)

def leaving(content):
    def recipe(task, metric, categorical, seed):
        from sklearn.dummy import DummyClassifier
        artifacts.dump = lambda estimator: content()
        return DummyClassifier()
    return recipe

pickled = leaving(lambda: pickle.dumps(Touching()))
oversized = leaving(lambda: bytes(257 << 20))
"""


@pytest.mark.parametrize("recipe", ["pickled", "oversized"])
def test_what_is_no_estimator_is_refused_unread_and_the_champion_stays(
    tmp_path: Path, recipe: str
) -> None:
    place = Place.made(tmp_path, SETTINGS.replace('"linear"', f'"own:{recipe}"'))
    (tmp_path / "own.py").write_text(RECIPES.format(mark=tmp_path / "ran"))
    ingest(place, "late", place.drop("a.csv", csv(n=250)))
    runner = Runner(place)
    run = runner.submit("late", "train", "a test").id
    runner.drain()
    row = runner.row(run)
    assert (row.state, row.version) == ("failed", None)
    assert "Nothing was stored" in (row.error or "") or "Loading" in (row.error or "")
    assert not (tmp_path / "ran").exists()
    assert place.ledger.versions("late") == []
    assert not list(place.workspace.artifacts.iterdir())
    place.close()
