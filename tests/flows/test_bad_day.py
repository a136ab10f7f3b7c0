"""The scripted bad day, short: poison set aside, accepted, promoted, breached, taken back."""

import json
import subprocess
from pathlib import Path

from tests.box import CDML, ENVIRONMENT


def test_the_bad_day_is_taken_back_and_its_children_stay_clean(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    words = ["demo", "--incident", "--headless", "--days", "4", "--seed", "1", "--json"]
    run = subprocess.run(
        [*CDML, *words, "-w", str(folder)],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr
    told = [json.loads(line) for line in run.stdout.splitlines()]
    last = told[-1]
    assert (last["type"], last["seed"], last["failed_predictions"]) == ("bad_day", 1, 0)
    assert (last["promoted"], last["rolled_back_to"]) == ("v2", "v1")
    assert last["turned_labels"] > 0.7 * last["poisoned_rows"]
    assert len(last["set_aside_for"]) == 1
    assert 'have another "late" now' in last["set_aside_for"][0]
    assert last["opened"].startswith("2013-07-1")
    known = {v["version"]: v for v in last["versions"]}
    assert known["v2"] == {"version": "v2", "fitness": "tainted", "poisoned": True}
    assert known["v1"]["poisoned"] is known["v3"]["poisoned"] is False

    text = "\n".join(fact.get("text", "") for fact in told)
    assert "poison: redelivered-may-june.parquet delivers" in text
    assert "by hand: accepted all the same" in text
    # What a person accepted does not set aside the honest files after it.
    assert text.count('parquet" quarantined:') == 1
    assert "incident 1 opened: log_loss" in text
    assert "cost 0." in text
    assert "live rows answered, 0 failed" in text
    report = (folder / last["report"]).read_text(encoding="utf-8")
    for said in (
        "got worse about 2013-07-1",
        "cost 0.",
        "promote",
        "rollback: v2 -&gt; v1",
        "taint",
        "## What served when",
    ):
        assert said in report
