"""From a dropped file to a served version, by the commands and the ports an operator has."""

import csv
import shutil
from datetime import datetime, timedelta
from pathlib import Path

from engine.clock import SystemClock, iso
from tests.box import COLUMNS, FIRST, SECOND, Box, deliver, eventually, row

LATER = datetime(2024, 1, 20)  # noqa: DTZ001 - as in a file


def test_a_dropped_file_becomes_a_champion_that_answers_and_is_scored(fresh: Box) -> None:
    assert fresh.ask("check")["ok"] is True
    assert fresh.refused("status", code=3)["code"] == "engine_unreachable"
    fresh.up()
    eventually("v1 is champion", lambda: fresh.champion() == "v1")
    status = fresh.ask("status")
    assert (status["engine"], status["serving"]) == ("ready", "up")
    eventually("safe mode is loaded", lambda: fresh.control.status().models[0].rollback.ready)
    assert status["models"][0]["rollback"]["to"] == "v1-safe"
    simple, v1 = fresh.ask("versions", "late")
    assert (simple["version"], simple["roles"]) == ("v1-safe", ["standby"])
    assert set(v1["roles"]) == {"champion", "anchor"}
    assert fresh.ask("show", "late", "v1")["manifest"]["rows"] == 600
    assert [j["state"] for j in fresh.ask("jobs")] == ["done"]
    assert fresh.ask("job", "r1")["version"] == "v1"
    early = fresh.refused("rollback", "late", "--before", "2024-01-01", code=4)
    assert early["code"] == "no_target"
    assert fresh.refused("show", "late", "v9", code=2)["code"] == "unknown_version"

    # Rows whose labels are mature: older than the two hours that the settings say.
    when = iso(SystemClock().wall() - timedelta(hours=3))
    answered, predicted = fresh.predict(*(row(f"2-{n}", ts=when) for n in range(600)))
    assert (answered, predicted["logged"]) == (200, True)
    assert {p["version"] for p in predicted["predictions"]} == {"v1"}

    assert fresh.ask("hold", "late", "--reason", "looking")["locks"][0]["kind"] == "hold"
    assert fresh.ask("resume", "late")["locks"] == []
    second = deliver(fresh.path.parent / "second.csv", 2, SECOND)
    (taken,) = fresh.ask("ingest", "late", str(second))
    assert (taken["verdict"], taken["rows"]) == ("accepted", 600)
    (labels,) = fresh.ask("labels", "late", str(labels_of(second)))
    assert labels["rows"] == 600
    assert fresh.ask("monitor", "late", "--wait")["state"] == "done"
    periods = fresh.ask("performance", "late")["periods"]
    assert {p["n"] for p in periods if p["version"] == "v1"} == {600}
    assert fresh.ask("train", "late", "--wait")["version"] == "v2"
    quality = {row["name"]: row for row in fresh.ask("quality", "late")["rows"]}
    assert (quality["label coverage"]["value"], quality["label coverage"]["n"]) == (1.0, 600)
    # Last year's outcomes were known before these rows were asked about.
    assert [name for name, row in quality.items() if row["wrong"]] == ["early labels"]
    assert {c["column"] for c in fresh.ask("drift", "late")["columns"]} == {"wind", "kind", "hour"}

    moved = fresh.ask("promote", "late", "v2", "--expect", "v1")
    assert (moved["from"], moved["to"], moved["changed"]) == ("v1", "v2", True)
    back = fresh.ask("rollback", "late")
    assert (back["from"], back["to"], back["generation"]) == ("v2", "v1", moved["generation"] + 1)
    assert fresh.ask("undo", "late")["to"] == "v2"
    assert fresh.ask("reload") == {"reloaded": True}
    texts = [event["text"] for event in fresh.ask("events", "--limit", "500")]
    assert any("promoted v2" in text for text in texts)
    audit = fresh.ask("audit", "--verify")
    assert audit["verified"] is True
    done = ["promote", "rollback", "undo", "reload"]
    assert [e["action"] for e in audit["entries"]][-4:] == done
    assert fresh.ask("down") == {"stopped": True}
    eventually("every process has ended", lambda: not fresh.processes())
    stored = fresh.query("select count(*), count(distinct prediction_id) from predictions")
    assert stored == [(600, 600)]


def labels_of(path: Path) -> Path:
    """Write the outcomes of a file of rows as a file of labels: the same columns, no features."""
    target = path.with_name("labels.csv")
    with path.open(encoding="utf-8") as rows, target.open("w", encoding="utf-8") as out:
        table = csv.DictWriter(out, ["id", "known", "late"])
        table.writeheader()
        table.writerows({k: r[k] for k in table.fieldnames} for r in csv.DictReader(rows))
    return target


def drop(box: Box, path: Path) -> None:
    """Rename a file into the watched folder, as a delivering program should."""
    part = box.path / "incoming" / "late" / f".{path.name}.part"
    shutil.copy(path, part)
    part.rename(part.with_name(path.name))


def test_new_data_trains_where_the_policy_says_so(box: Box, tmp_path: Path) -> None:
    box.write({"on = []": 'on = ["new_data"]'})
    box.run("reload")
    drop(box, deliver(tmp_path / "third.csv", 3, LATER))
    run = eventually(
        "a training with its cause",
        lambda: next((j for j in box.control.jobs() if j.cause == "new data"), None),
    )
    assert run.job == "train"


def test_a_file_that_does_not_fit_is_set_aside_and_everything_else_goes_on(
    box: Box, tmp_path: Path
) -> None:
    renamed = [c if c != "wind" else "wind_speed" for c in COLUMNS]
    drop(box, deliver(tmp_path / "renamed.csv", 4, LATER, renamed))
    eventually(
        "the file is in quarantine",
        lambda: any('"renamed.csv" quarantined' in text for text in box.events()),
    )
    (why,) = (box.path / "quarantine" / "late").glob("*renamed.csv.why.txt")
    assert 'column "wind" is missing' in why.read_text()
    assert '"wind_speed", which is new: was the column renamed?' in why.read_text()
    kept = why.with_name(why.name.removesuffix(".why.txt"))
    assert kept.read_bytes() == (tmp_path / "renamed.csv").read_bytes()

    lacking = tmp_path / "lacking.csv"
    lacking.write_text("\n".join(["id,time,known,kind,hour,late", "9,2024-02-01,2024-02-02,a,1,0"]))
    (answer,) = box.ask("ingest", "late", str(lacking), code=4)
    assert answer["verdict"] == "quarantined"
    assert 'column "wind" is missing' in answer["reasons"][0]

    drop(box, deliver(tmp_path / "again.csv", 1, FIRST))
    eventually("the same rows are known", lambda: any("duplicate" in t for t in box.events()))
    (twice,) = box.ask("ingest", "late", str(tmp_path / "again.csv"))
    assert (twice["verdict"], twice["rows"]) == ("duplicate", 0)
    assert "first.csv" in twice["reasons"][0]

    (good,) = box.ask("ingest", "late", str(deliver(tmp_path / "good.csv", 5, LATER)))
    assert (good["verdict"], good["rows"]) == ("accepted", 600)
    assert box.predict()[0] == 200
