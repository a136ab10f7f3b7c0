"""The demo, headless: the same seed tells the same story."""

import json
import subprocess
from typing import Any

from tests.box import CDML, ENVIRONMENT


def test_two_runs_with_one_seed_are_equal_in_all_but_their_duration() -> None:
    words = ["demo", "--headless", "--days", "4", "--seed", "1", "--json"]
    runs = [
        subprocess.Popen([*CDML, *words], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [lines(run.communicate(timeout=600)[0]) for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert told[0] == told[1]
    last = told[0][-1]
    assert last["type"] == "summary"
    assert (last["seed"], last["days"], last["failed_predictions"]) == (1, 4, 0)
    assert last["rows_predicted"] > 800
    assert last["champions"][0]["version"] == "v1"


def lines(text: str) -> list[dict[str, Any]]:
    """Read one JSON object a line, without what may differ."""
    found = [json.loads(line) for line in text.splitlines()]
    for value in found:
        value.pop("wall_s", None)
    return found
