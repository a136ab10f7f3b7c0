"""Three models in one workspace, by the settings that the documents show.

A yes or no, a quantity, five classes: one engine takes in, trains, answers, joins labels and
watches each.
"""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from engine.clock import iso
from engine.engine_link import EngineLink
from engine.pipeline.features import feature_types
from engine.port import Port
from engine.settings import ModelSettings, load
from engine.store import excerpts, intake
from engine.store.files import reader
from engine.wire import Label, PredictRow
from engine.workspace import Workspace
from tests.box import ENVIRONMENT, ROOT, Box, eventually

FLIGHTS, WEATHER = ROOT / "data/flights_lga.parquet", ROOT / "data/seattle_weather.csv"
BEGIN, START = datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 3, 1, 5, tzinfo=UTC)
MODELS = ("late", "air_time_min", "weather")
FLIGHT_MODELS = [
    ("late", "log_loss", "cost"),
    ("air_time_min", "mean_absolute_error", "far_off"),
]
# The least training that is one; everything else is as the document shows it.
QUICK = {"seeds = 3": "seeds = 1", '"all", "60d"': '"all"', '"all", "365d"': '"all"'}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """Return a running workspace of the three models on a simulated clock, each with a champion."""
    found = Box(tmp_path_factory.mktemp("three") / "box")
    space = Workspace(found.path)
    space.create(MODELS)
    text = (ROOT / "docs/three-models.toml").read_text(encoding="utf-8")
    for old, new in QUICK.items():
        text = text.replace(old, new)
    space.config.write_text(
        f'{text}\n[serving]\nlisten = "127.0.0.1:{found.port}"\n', encoding="utf-8"
    )
    for model in ("late", "air_time_min"):
        into = space.incoming(model) / "winter.parquet"
        excerpts.deliver(FLIGHTS, into, "event_time", "label_time", BEGIN, START)
    until = datetime(2013, 3, 1, tzinfo=UTC)
    lines = WEATHER.read_text().splitlines()
    past = [line for line in lines if line[:10] < f"{until:%Y-%m-%d}" or line.startswith("date")]
    (space.incoming("weather") / "past.csv").write_text("\n".join(past) + "\n")
    command = [sys.executable, "-P", "-m", "engine", "supervise", "-w", str(found.path)]
    with (found.path / "supervisor.log").open("wb") as log:
        engine = subprocess.Popen(
            [*command, "--simulated", iso(START), "--seed", "1"],
            env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        eventually("the engine answers", found.answers)
        eventually("all have a champion", lambda: moved(space, START) and champions(space), 240.0)
        moved(space, START + timedelta(hours=1))  # from here on it is known when each is watched
        yield found
    finally:
        found.run("down", code=None)
        found.end()
        engine.wait(10.0)


def moved(space: Workspace, now: datetime) -> bool:
    EngineLink(space.engine_socket, 3600.0).post("/api/v1/clock", {"now": iso(now)})
    return True


def champions(space: Workspace) -> bool:
    status = EngineLink(space.engine_socket, 3600.0).get("/api/v1/status")
    return all(m["champion"] for m in status["models"])


def live(box: Box, space: Workspace, model: str, days: int) -> None:
    """Send what came in the first days as clients would, and its outcomes."""
    wanted = load(space.config).models[model]
    rows, names = came(wanted, WEATHER if model == "weather" else FLIGHTS, days)
    with contextlib.closing(Port(f"127.0.0.1:{box.port}", "test")) as port:
        for at in range(0, len(rows), 500):
            some = rows[at : at + 500]
            asked = [PredictRow(dict(zip(names, r[3:], strict=True)), r[0], r[1]) for r in some]
            assert len(port.predict(model, asked).predictions) == len(some)
            port.label(model, [Label(r[0], r[1], r[2]) for r in some])


def came(model: ModelSettings, path: Path, days: int) -> tuple[list[tuple[Any, ...]], list[str]]:
    """Return id, time, outcome and features of the rows of the first days, and the features."""
    names = list(feature_types(model, intake.columns(path)))
    time = f"strftime({model.time}, '%Y-%m-%dT%H:%M:%SZ')"
    columns = ", ".join([f"{model.id or model.time}::varchar", time, model.target, *names])
    begin = START.replace(hour=0, tzinfo=None)
    sql = (
        f"select {columns} from {reader(path)} where {model.time} >= ? and {model.time} < ? "
        f"order by {model.time}"
    )
    with duckdb.connect() as db:
        return db.execute(sql, [begin, begin + timedelta(days=days)]).fetchall(), names


def test_each_model_is_answered_labelled_and_watched(box: Box) -> None:
    space = Workspace(box.path)
    live(box, space, "late", 5)
    live(box, space, "air_time_min", 5)
    moved(space, START + timedelta(days=6))
    for model, metric, kpi in FLIGHT_MODELS:
        found = {(p["version"]): p for p in box.ask("performance", model)["periods"]}
        assert found["served"]["n"] > 1_000
        assert found["served"]["metrics"][metric] > 0
        assert found["served"]["kpi"][kpi] > 0
        said(box, model)
    live(box, space, "weather", 125)
    moved(space, START + timedelta(days=126))
    (period,) = [
        p for p in box.ask("performance", "weather")["periods"] if p["version"] == "served"
    ]
    assert 100 <= period["n"] <= 125
    assert period["metrics"]["log_loss"] > 0
    assert 0 < period["kpi"]["wrong"] < 1
    assert 0 < period["kpi"]["unsure"] < 1
    said(box, "weather")
    status = box.ask("status")
    assert [m["champion"] for m in status["models"]] == ["v1"] * 3
    states = {(j["model"], j["job"], j["state"]) for j in box.ask("jobs")}
    assert not [found for found in states if found[2] == "failed"]
    assert "broke" not in "\n".join(box.events())


def said(box: Box, model: str) -> None:
    """See that every page of a model can be read, and holds no number that is none."""
    for verb in ("versions", "drift", "performance", "kpi", "forecast", "alerts"):
        text = box.run(verb, model).stdout.lower()
        assert text.strip()
        assert not re.search(r"\b(nan|inf|none|traceback)\b", text), f"{verb} {model}: {text}"
