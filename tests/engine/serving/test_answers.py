"""What a client gets while versions fail or change under its request."""

import resource
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from engine.ledger.ledger import Ledger
from engine.workspace import Workspace
from tests.box import eventually

from .conftest import FEATURES, Service, make_rows, seal, set_roles

Start = Callable[..., Service]
DELAY = "/v1/models/delay/predict"
LATE = "/v1/models/late/predict"


def test_the_champion_answers_for_a_canary_that_cannot(workspace: Workspace, start: Start) -> None:
    breaking = seal(workspace, "delay", "regression", 5, breaks=True)
    set_roles(workspace, "delay", champion="v1", canary=breaking, canary_share_pct=50.0, salt="s")
    service = start()
    rows = [row | {"hour": 2000.0} for row in make_rows(40)]
    body = {"rows": [{"id": f"f-{n}", "features": row} for n, row in enumerate(rows)]}
    answer = httpx.post(service.url + DELAY, json=body, headers={})
    assert answer.status_code == 200
    assert {p["version"] for p in answer.json()["predictions"]} == {"v1"}
    alone = [httpx.post(service.url + DELAY, json={"rows": [row]}) for row in body["rows"]]
    assert {a.status_code for a in alone} == {200}
    delay = next(m for m in service.link.status().models if m.model == "delay")
    assert delay.errors[breaking] > 5
    assert delay.answers == {"v1": 80}


def test_a_champion_that_cannot_answer_is_a_500_and_counted(
    workspace: Workspace, start: Start
) -> None:
    breaking = seal(workspace, "delay", "regression", 5, breaks=True)
    set_roles(workspace, "delay", champion=breaking)
    service = start()
    row = make_rows(1)[0] | {"hour": 2000.0}
    answer = httpx.post(service.url + DELAY, json={"rows": [{"features": row}]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "bad_answer")
    delay = next(m for m in service.link.status().models if m.model == "delay")
    assert (delay.errors, delay.answers) == ({breaking: 1}, {})
    row["hour"] = 7.0
    assert httpx.post(service.url + DELAY, json={"rows": [{"features": row}]}).status_code == 200


def of_late(service: Service) -> Any:
    """What serving says of the model now."""
    return next(m for m in service.link.status().models if m.model == "late")


def test_what_a_contract_refuses_is_counted_beside_who_would_have_taken_it(
    workspace: Workspace, start: Start
) -> None:
    # It has never seen a distance that was missing; v1 and v2 have.
    strict = [replace(f, nullable=False) if f.name == "distance" else f for f in FEATURES]
    probe = [row | {"distance": 500.0} for row in make_rows(1)]
    found = seal(workspace, "late", "binary", 4, features=strict, probe_rows=[], probe_answers=[])
    set_roles(workspace, "late", champion=found, standby=("v2", "v1"))
    service = start()
    # Ways back are loaded after the champion answers: who is not there yet is asked nothing.
    wanted = {found, "v1", "v2"}
    eventually("every way back is loaded", lambda: wanted <= set(of_late(service).loaded))
    blank, wrong = probe[0] | {"distance": None}, probe[0] | {"hour": "x"}
    for row, n, status in ((blank, 3, 422), (wrong, 2, 422), (probe[0], 1, 200)):
        answer = httpx.post(service.url + LATE, json={"rows": [{"features": row}] * n})
        assert answer.status_code == status
    late = of_late(service)
    assert (late.refused, late.answers, late.errors) == ({found: 5}, {found: 1}, {})
    assert late.spared == {"v1": 3, "v2": 3}


def test_a_null_where_training_saw_none_is_refused_or_flagged_as_the_settings_say(
    workspace: Workspace, start: Start
) -> None:
    row = make_rows(1)[0] | {"hour": None}
    body = {"rows": [{"features": row}]}
    service = start()
    refused = httpx.post(service.url + LATE, json=body)
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "hour")
    settings = workspace.config.read_text()
    workspace.config.write_text(
        settings.replace('target = "late"', 'target = "late"\ncontract = "flag"', 1)
    )
    service.link.sync()
    answer = httpx.post(service.url + LATE, json=body)
    assert answer.json()["predictions"][0]["flags"] == ["null:hour"]
    assert 'kind="null"' in httpx.get(service.url + "/metrics").text


@pytest.mark.parametrize(("policy", "status"), [("drop_and_count", 200), ("refuse", 503)])
def test_a_log_that_cannot_be_written_is_met_as_the_settings_say(
    workspace: Workspace, start: Start, policy: str, status: int
) -> None:
    settings = workspace.config.read_text()
    workspace.config.write_text(f'[serving]\nlog_full = "{policy}"\n{settings}')
    service = start()
    # From now on no file may grow, as on a full disk.
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (0, 0))
    answer = httpx.post(service.url + LATE, json={"rows": [{"features": make_rows(1)[0]}]})
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["logged"] is False
    else:
        assert answer.json()["error"]["code"] == "log_unavailable"
    assert service.link.status().dropped == 1
    assert httpx.get(service.url + "/v2/health/ready").status_code == 503  # "idle" has no champion
    assert httpx.get(service.url + "/v2/models/late/ready").status_code == 200


def test_a_champion_that_does_not_load_is_said_to_be_so(workspace: Workspace, start: Start) -> None:
    bad = seal(workspace, "late", "binary", 4, probe_answers=[[2.0]] * 5)
    set_roles(workspace, "late", champion=bad)
    service = start()
    body = {"rows": [{"features": make_rows(1)[0]}]}
    answer = httpx.post(service.url + LATE, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_loaded")
    assert f"{bad} cannot be loaded" in answer.json()["error"]["message"]


def test_beside_a_canary_a_wrong_row_is_named_by_its_place_in_the_request(
    workspace: Workspace, start: Start
) -> None:
    set_roles(workspace, "late", champion="v1", canary="v2", canary_share_pct=50.0, salt="s")
    service = start()
    rows = [{"id": f"f-{n}", "features": row} for n, row in enumerate(make_rows(20))]
    answer = httpx.post(service.url + LATE, json={"rows": rows}).json()
    assert {p["version"] for p in answer["predictions"]} == {"v1", "v2"}
    rows[-1]["features"] |= {"hour": "x"}
    answer = httpx.post(service.url + LATE, json={"rows": rows})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "hour")
    assert "row 20:" in answer.json()["error"]["message"]


def test_a_standby_answers_for_a_champion_that_cannot_be_loaded(
    workspace: Workspace, start: Start
) -> None:
    ledger = Ledger(workspace.ledger, readonly=True)
    digest = ledger.version("late", "v2").manifest
    ledger.close()
    set_roles(workspace, "late", champion="v2", standby=("v3", "v1"))
    (workspace.artifacts / f"{digest}.json").unlink()
    service = start()
    body = {"rows": [{"features": make_rows(1)[0]}]}

    def answered() -> str | None:
        # Until a standby is loaded there is nobody to answer.
        found = httpx.post(service.url + LATE, json=body).json().get("predictions")
        return found[0]["version"] if found else None

    assert eventually("a standby answers", answered) == "v3"
    late = next(m for m in service.link.status().models if m.model == "late")
    assert late.champion == "v3"
    assert "v2" in late.failures
    assert 'role="standby"' in httpx.get(service.url + "/metrics").text
