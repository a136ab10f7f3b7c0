"""`cdml doctor` on a running workspace, a stopped one, and ones that are ill."""

import socket

from tests.box import Box, eventually


def findings(box: Box, code: int = 0) -> dict[str, tuple[str, str, str]]:
    """Ask the doctor; the worst of what was found by each name."""
    order = ("ok", "warn", "bad")
    found: dict[str, tuple[str, str, str]] = {}
    for f in box.ask("doctor", code=code):
        before = found.get(f["name"], ("ok", "", ""))
        if order.index(f["state"]) >= order.index(before[0]):
            found[f["name"]] = f["state"], f["found"], f["mend"]
    return found


def test_a_running_workspace_is_well_and_says_what_was_looked_at(box: Box) -> None:
    found = findings(box)
    assert {name for name, (state, *_) in found.items() if state == "bad"} == set()
    assert {"disk", "clock", "audit", "versions", "store", "spool", "port", "engine"} <= set(found)
    assert found["backup"][0] == "warn"
    assert "as they were signed" in found["versions"][1]
    box.ask("backup")
    assert findings(box)["backup"][0] == "ok"
    assert found["told"][1].startswith("nobody")
    assert "looked at: 0 bad" in box.run("doctor").stdout


def test_an_engine_that_died_is_bad_and_serving_that_goes_on_is_nobody_elses(box: Box) -> None:
    box.kill("supervise")
    box.kill("run")
    found = findings(box, code=1)
    assert found["engine"][0] == "bad"
    assert "died unasked" in found["engine"][1]
    assert found["serving"][0] == found["port"][0] == "ok"


def test_what_is_ill_is_named_with_how_to_mend_it(box: Box) -> None:
    box.down()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", box.port))
        taken.listen()
        box.path.chmod(0o755)
        (box.path / "ledger.sqlite").chmod(0o644)
        (box.path / "spool" / "x-00000001.damaged").touch()
        box.write({"[models.late]\n": "[notify.targets.ops]\n[notify.targets.pager]\n"
                   'exec = ["bin/none"]\n[models.late]\n'})  # fmt: skip
        next((box.path / "artifacts").glob("*.sig")).write_bytes(bytes(64))
        (box.path / "metrics.duckdb").write_bytes(b"no store")
        found = findings(box, code=1)
    for name in ("engine", "serving", "port", "rights", "spool"):
        assert found[name][0] == "warn", name
    for name in ("versions", "store", "told ops", "told pager"):
        assert found[name][0] == "bad", name
    assert all(said and (mend or state == "ok") for state, said, mend in found.values())


def test_where_the_champion_cannot_be_loaded_it_is_said_who_answers(box: Box) -> None:
    digest = box.ask("show", "late", "v1")["manifest"]["artifact"]
    file = box.path / "artifacts" / f"{digest}.skops"
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-1] + b"X")
    box.kill("serve")
    said = eventually("it is said", lambda: box.ask("status")["stands_in"])
    assert "for v1: Loading artifact" in said
    assert "for v1: Loading artifact" in box.run("status").stdout
