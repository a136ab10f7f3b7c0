"""`cdml predict` against a real serving process: what is written for each task."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import predict

ROWS = [
    {"hour": 7.0, "distance": None, "carrier": "AA", "holiday": False},
    {"hour": 20.0, "distance": 1200.0, "carrier": "UA", "holiday": True},
]


@pytest.fixture
def ask(start: Callable[..., Any], workspace: Any, capsys: Any) -> Callable[..., Any]:
    """Return a way to run the verb on a file of rows."""
    service = start()
    address = service.url.removeprefix("http://")
    text = workspace.config.read_text()
    workspace.config.write_text(f'{text}\n[serving]\nlisten = "{address}"\n')
    file = Path(workspace.root) / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    def run(*words: str) -> tuple[int, str, str]:
        code = predict.main(["-w", str(workspace.root), *words, str(file)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_each_task_is_written_in_its_own_columns(ask: Callable[..., Any]) -> None:
    for model, answer in (("late", "score"), ("kind", "probabilities"), ("delay", "value")):
        code, out, _ = ask(model)
        assert code == 0
        found = list(csv.DictReader(io.StringIO(out)))
        assert len(found) == len(ROWS)
        decided = [] if model == "delay" else ["decision"]
        ours = ["version", "prediction_id", "flags"]
        assert list(found[0]) == ["id", "ts", answer, *decided, *ours]
        code, out, _ = ask("--json", model)
        given = json.loads(out)["predictions"]
        assert [json.loads(row[answer]) for row in found] == [p[answer] for p in given]


def test_a_model_that_nobody_serves_yet_is_exit_3(ask: Callable[..., Any]) -> None:
    code, out, err = ask("idle")
    assert (code, out) == (3, "")
    assert "cdml train idle" in err


def test_with_several_models_one_must_be_named(ask: Callable[..., Any]) -> None:
    code, _, err = ask()
    assert code == 2
    assert "late, kind, delay, idle" in err
