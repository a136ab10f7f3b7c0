"""What an operator sees of a gate: the report, two versions side by side, a second judgement."""

from tests.box import Box


def test_a_report_a_comparison_and_a_second_judgement(box: Box) -> None:
    shown = box.run("show", "late", "v2").stdout.splitlines()
    report = shown[: shown.index("manifest (--json has all of it)")]
    assert all(len(text) <= 80 for text in report)
    text = "\n".join(report)
    assert "gate pass against v1" in text
    for name in ("not worse than the champion", "better than the base rate", "file size"):
        assert f"  {name}: pass\n" in text
    checks = {c["name"]: c for c in box.ask("show", "late", "v2")["report"]["checks"]}
    assert {"better than the last value", "latency", "memory"} <= set(checks)
    assert all(c["n"] > 0 and c["unit"] and c["threshold"] is not None for c in checks.values())

    head = box.ask("audit", "--verify")["head"]
    found = box.ask("compare", "late", "v1", "v2")
    assert found["lines"][0]["value"] > 0
    assert found["n"] == found["lines"][0]["n"] == checks["better than the champion"]["n"]
    side = box.run("compare", "v1", "v2").stdout.splitlines()
    assert side[0].startswith("late: v2 against v1")
    assert all(len(text) <= 80 for text in side)
    assert box.ask("audit")["head"] == head
    assert not list((box.path / "runs").glob("m*"))
    assert box.refused("compare", "late", "v1", "v1", code=2)["code"] == "self_comparison"

    assert box.refused("validate", "late", "v1", code=4)["code"] == "self_comparison"
    again = box.ask("validate", "late", "v2", "--reason", "a second look", "--wait")
    assert (again["version"], again["verdict"]) == ("v2", "pass")
    entries = [e for e in box.ask("audit")["entries"] if e["action"] == "validate"]
    assert "a second look" in entries[-1]["reason"]
    assert box.ask("status")["models"][0]["locks"] == []  # the gate passed its own test
