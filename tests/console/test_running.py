"""The verbs that have the engine work: their runs are started, waited for, shown and cancelled."""

import json
from pathlib import Path

import msgspec
import pytest

from cdml_tui import cli
from engine import wire
from tests.console.socket_engine import JOB, T0, T1, Fake, M

Output = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("ending", "exit_code"),
    [
        ({"state": "done", "verdict": "pass"}, 0),
        ({"state": "done", "verdict": "fail"}, 4),
        ({"state": "done", "verdict": "inconclusive"}, 4),
        ({"state": "refused", "error": "no rows"}, 4),
        ({"state": "failed", "error": "it broke"}, 1),
    ],
)
def test_train_waits_and_ends_as_its_run_did(
    fake: Fake, capsys: Output, ending: dict[str, str], exit_code: int
) -> None:
    ended = msgspec.structs.replace(JOB, ended_at=T1, **ending)
    fake.routes[f"POST {M}/train"] = (200, JOB)
    fake.routes["GET /api/v1/jobs/r-1"] = (200, ended)
    assert cli.main(["train", "--wait", "--json"]) == exit_code
    assert json.loads(capsys.readouterr().out)["state"] == ending["state"]


def test_a_run_is_cancelled_by_its_id_and_one_that_ended_is_exit_4(
    fake: Fake, capsys: Output
) -> None:
    fake.routes["POST /api/v1/jobs/r-1/cancel"] = (200, msgspec.structs.replace(JOB, ended_at=T1))
    assert cli.main(["cancel", "r-1", "--reason", "by mistake"]) == 0
    assert "train of late, r-1, is cancelled" in capsys.readouterr().out
    refusal = wire.ErrorAnswer(wire.ErrorBody("not_running", "Cancelling r-1: it is done."))
    fake.routes["POST /api/v1/jobs/r-1/cancel"] = (409, refusal)
    assert cli.main(["cancel", "r-1"]) == 4
    assert "it is done" in capsys.readouterr().err


def test_train_without_wait_returns_at_once(fake: Fake, capsys: Output) -> None:
    fake.routes[f"POST {M}/train"] = (200, JOB)
    assert cli.main(["train", "late"]) == 0
    assert "cdml job r-1" in capsys.readouterr().out


def test_a_job_is_shown_with_what_its_process_wrote(
    fake: Fake, workspace: Path, capsys: Output
) -> None:
    fake.routes["GET /api/v1/jobs/r-1"] = (200, JOB)
    (workspace / "runs" / "r-1").mkdir(parents=True)
    (workspace / "runs" / "r-1" / "log.txt").write_text("ValueError: no rows\x1b[2J\n")
    assert cli.main(["job", "r-1", "--log"]) == 0
    shown = capsys.readouterr().out
    assert "state: queued" in shown
    assert "ValueError: no rows\\x1b[2J" in shown
    assert cli.main(["job", "r-1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "r-1"


def test_a_plan_says_on_what_and_is_exit_4_where_it_would_be_refused(
    fake: Fake, capsys: Output
) -> None:
    plan = wire.TrainPlan("late", "linear", 3, 1, 600, [T0, T1], {"all": 600}, {"abcdef": 700})
    fake.routes[f"GET {M}/train"] = (200, plan)
    assert cli.main(["train", "late", "--plan"]) == 0
    said = capsys.readouterr().out
    assert f"late: linear on 600 mature labelled rows, {T0} to {T1}" in said
    assert "windows: all: 600 rows; 3 seeds each, from seed 1" in said
    assert said.endswith("nothing stands in the way\n")
    refused = msgspec.structs.replace(
        plan, refused="Training late: too few.", notes=["left out: x"]
    )
    fake.routes[f"GET {M}/train"] = (200, refused)
    assert cli.main(["train", "late", "--plan"]) == 4
    assert "left out: x\nwould be refused: Training late: too few.\n" in capsys.readouterr().out
    assert cli.main(["train", "late", "--plan", "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["windows"] == {"all": 600}


def test_waiting_ends_with_what_the_run_used(fake: Fake, capsys: Output) -> None:
    used = msgspec.structs.replace(JOB, state="done", ended_at=T1, cpu_s=12.5, memory_mib=310)
    fake.routes[f"POST {M}/train"] = (200, JOB)
    fake.routes["GET /api/v1/jobs/r-1"] = (200, used)
    assert cli.main(["train", "--wait"]) == 0
    assert "cpu s: 12.5\nmemory mib: 310\n" in capsys.readouterr().out
