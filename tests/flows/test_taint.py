"""A tainted batch by its commands: who is kept out, what is asked of the past, how it is lifted."""

from tests.box import SECOND, Box, deliver, eventually


def state(box: Box, version: str) -> str:
    found: str = next(v for v in box.ask("versions", "late") if v["version"] == version)["fitness"]
    return found


def test_a_tainted_batch_keeps_its_children_out_until_it_is_lifted(box: Box) -> None:
    lineage = box.ask("lineage", "late", "v2")
    new = next(b for b in lineage["batches"] if b["file"] == "second.csv")
    assert new["used"]
    assert lineage["against"] == "v1"
    assert {"recipe", "seed", "packages", "window", "manifest"} <= set(lineage)
    assert lineage["origin"]["inputs"]["parent"] == "v1"
    again = box.ask("reproduce", "late", "v2")
    assert (again["same"], again["made"]) == (True, lineage["artifact"])
    assert box.refused("reproduce", "late", "v2-safe", code=4)["code"] == "no_origin"
    box.ask("promote", "late", "v2", "--reason", "looks better")

    answer = box.ask("taint", "late", "--batch", new["batch"][:8], "--reason", "poisoned")
    assert "v2" in answer["versions"]
    assert "v1" not in answer["versions"]
    assert state(box, "v2") == "tainted"
    assert box.predict()[1]["predictions"][0]["version"] == "v2"
    assert any("v2 serves and is tainted" in text for text in box.events())
    assert not box.ask("taint", "late", "--batch", new["batch"][:8])["changed"]

    assert box.ask("rollback", "late", "--attack")["to"] == "v1"
    said = box.refused("promote", "late", "v2", "--override", "v2", "--reason", "r", code=4)
    assert said["code"] == "tainted"
    assert said["message"].startswith(
        f"Refused: v2 is tainted by batch {new['batch'][:8]} (rows of "
    )
    assert "lift the taint with cdml taint late --lift 1." in said["message"]
    assert box.refused("rollback", "late", "--to", "v2", code=4)["code"] == "tainted"

    trace = box.ask("audit", "late", "--batch", new["batch"][:8])
    assert "v2" in trace["batch"]["trained"]
    assert "v1" not in trace["batch"]["trained"]
    assert "taint" in {e["action"] for e in trace["entries"]}
    assert new["batch"] in box.run("audit", "--batch", new["batch"][:8]).stdout

    box.ask("ingest", "late", str(deliver(box.path.parent / "third.csv", 3, SECOND)))
    run = box.ask("train", "late")["id"]
    eventually("the training ends", lambda: box.control.job(run).ended_at)
    done = box.ask("job", run)
    if done["version"]:
        made = box.ask("lineage", "late", done["version"])
        assert new["batch"] not in {b["batch"] for b in made["batches"]}
        assert made["taints"] == []

    refusal = box.refused("taint", "late", "--lift", code=2)
    assert refusal["code"] == "unknown_taint"  # two stand: the batch, and v2 as attacked
    box.ask("taint", "late", "--lift", "1")
    assert state(box, "v2") == "tainted"
    lifted = box.ask("taint", "late", "--lift", "--reason", "it was the sensor")
    assert lifted["versions"] == ["v2"]
    assert state(box, "v2") == "registered"
    assert box.refused("promote", "late", "v2", code=4)["code"] == "gate_not_passed"
    table = box.run("taint", "late").stdout
    assert "poisoned" in table
    assert len(box.ask("taint", "late")) == 2
    assert box.ask("audit", "--verify")["verified"]


def test_the_past_answers_one_command_each(box: Box) -> None:
    box.ask("promote", "late", "v2", "--reason", "looks better")
    told = box.run("audit", "late", "--version", "v2").stdout
    assert "promote: on entry" in told
    assert "pass against v1" in told
    entries = box.ask("audit", "--version", "v2")["entries"]
    promoted = entries[-1]
    assert (promoted["action"], promoted["reason"]) == ("promote", "looks better")
    judged = next(e for e in entries if e["seq"] == promoted["detail"]["evidence"]["judged"])
    assert judged["detail"]["report"]["checks"]
    (served,) = box.ask("audit", "--at", promoted["time"])["served"]
    assert (served["champion"], served["audit_seq"]) == ("v2", promoted["seq"])
    assert box.ask("audit", "--at", "2001-01-01")["served"] == []
    interval = box.ask("taint", "late", "--from", "2024-01-01", "--to", "2024-01-02")
    assert {"v1", "v2"} <= set(interval["versions"])
    assert "rows of 2024-01-01..02" in interval["message"]
