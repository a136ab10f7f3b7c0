"""A real Prometheus reads both processes: shipped rules fire on real breaches, and resolve."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.clock import SystemClock, iso
from tests.box import ROOT, Box, eventually, free_port, row

SHIPPED = ROOT / "docs" / "prometheus"
# What is 15 seconds in the shipped file, so that the test need not wait.
OFTEN = "200ms"


def tool(name: str) -> str:
    """Return where a program of Debian's package lies."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed: apt-get install prometheus (as .ci/run does)")
    return found


@pytest.mark.parametrize(
    "words", [("check", "rules", "rules.yml"), ("check", "config", "prometheus.yml"),
              ("test", "rules", "tests.yml", "tests-days.yml")],
)  # fmt: skip
def test_the_shipped_files_are_what_promtool_says_they_should_be(words: tuple[str, ...]) -> None:
    run = subprocess.run(
        [tool("promtool"), *words],
        cwd=SHIPPED, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


@contextmanager
def prometheus(folder: Path, engine: str, serving: str) -> Iterator[httpx.Client]:
    """Run a Prometheus with the shipped files over these two ports; give its API."""
    folder.mkdir()
    rules = (SHIPPED / "rules.yml").read_text(encoding="utf-8")
    for long in ("for: 1m", "for: 5m"):
        assert long in rules
        rules = rules.replace(long, "for: 0s")
    (folder / "rules.yml").write_text(rules, encoding="utf-8")
    text = (SHIPPED / "prometheus.yml").read_text(encoding="utf-8")
    for shipped, here in (
        ("127.0.0.1:9464", engine), ("127.0.0.1:8080", serving), ("interval: 15s",
         f"interval: {OFTEN}"),
    ):  # fmt: skip
        assert shipped in text
        text = text.replace(shipped, here)
    (folder / "prometheus.yml").write_text(text, encoding="utf-8")
    place = f"127.0.0.1:{free_port()}"
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [tool("prometheus"), f"--config.file={folder}/prometheus.yml",
             f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address={place}"],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://{place}/api/v1", timeout=10.0) as api:
            yield api
    finally:
        process.kill()
        process.wait()


def asked(api: httpx.Client, expr: str) -> dict[str, float]:
    """Return the value of each series of an expression; nothing until there is an answer."""
    try:
        answer = api.get("/query", params={"query": expr})
    except httpx.TransportError:
        return {}
    found = answer.json()["data"]["result"] if answer.is_success else []
    return {json.dumps(s["metric"], sort_keys=True): float(s["value"][1]) for s in found}


def firing(api: httpx.Client) -> dict[str, dict[str, Any]]:
    found = api.get("/alerts").json()["data"]["alerts"]
    return {a["labels"]["alertname"]: a for a in found if a["state"] == "firing"}


def test_shipped_rules_fire_on_real_breaches_and_resolve(box: Box, tmp_path: Path) -> None:
    own = f"127.0.0.1:{free_port()}"
    box.write(
        {"# metric_limit = 0.69": "metric_limit = 0.4",
         "[models.late]\n": f'[telemetry]\nlisten = "{own}"\n\n[notify.targets.pager]\n'
         'exec = ["/bin/false"]\n\n[models.late]\n'}
    )  # fmt: skip
    box.run("reload")
    socket = httpx.HTTPTransport(uds=str(box.path / "run" / "engine.sock"))
    with httpx.Client(transport=socket, base_url="http://engine") as control:
        assert 'cdml_generation{model="late"} ' in control.get("/metrics").text
    with prometheus(tmp_path / "prometheus", own, f"127.0.0.1:{box.port}") as api:
        eventually("both are scraped", lambda: list(asked(api, "up").values()) == [1.0, 1.0])
        eventually("nothing fires", lambda: firing(api) == {})
        when = iso(SystemClock().wall() - timedelta(hours=3))
        box.predict(*(row(f"p-{n}", ts=when) for n in range(400)))
        # Rows that are all alike are late as often as not: no model is better than a coin there.
        labels = [{"id": f"p-{n}", "ts": when, "value": bool(n % 2)} for n in range(400)]
        status, _ = box.post("labels", json.dumps({"labels": labels}).encode())
        assert status == 200
        box.ask("monitor", "late", "--wait")
        fired = eventually("the rule fires", lambda: firing(api).get("CdmlModelSick"))
        assert (
            fired["labels"] | {"model": "late", "kind": "realised", "severity": "critical"}
            == (fired["labels"])
        )
        assert fired["annotations"]["summary"] == "late of box1 is beyond a limit: realised."
        (answered,) = asked(api, 'sum(cdml_predictions_total{code="200"})').values()
        assert answered == 400
        (value,) = asked(
            api, 'cdml_performance{metric="log_loss",version="served",kind="realised"}'
        ).values()
        assert value > 0.4
        (runs,) = asked(api, 'cdml_job_runs_total{exported_job="monitor",outcome="done"}').values()
        assert runs >= 1
        untold = eventually("a dead pager is told of", lambda: firing(api).get("CdmlNotTold"))
        assert untold["labels"]["target"] == "pager"
        # Somebody looks after it: it is not told again and again.
        for alert in box.ask("alerts", "late")["alerts"]:
            box.ask("alert", "ack", str(alert["number"]))
        eventually("it resolves", lambda: "CdmlModelSick" not in firing(api))
        box.kill("run")
        eventually("the dead engine is told of", lambda: "CdmlEngineDown" in firing(api))
        eventually("and that it is back", lambda: "CdmlEngineDown" not in firing(api))
        # What it counted before it died, it counts on.
        (again,) = eventually(
            "its counts",
            lambda: asked(api, 'cdml_job_runs_total{exported_job="monitor",outcome="done"}'),
        ).values()
        assert again >= runs
