"""What a client gets while versions fail or change under its request."""

from collections.abc import Callable

import httpx

from engine.workspace import Workspace

from .conftest import Service, make_rows, seal, set_roles

Start = Callable[..., Service]
DELAY = "/v1/models/delay/predict"


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
