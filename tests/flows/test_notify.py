"""The engine tells a real webhook and a real program what happens, and no secret shows anywhere."""

import json
from typing import Any

from tests.box import Box, eventually
from tests.engine.telemetry.test_notifier import SECRET, Hook


def heard(box: Box) -> Any:
    """Return what the program was told last."""
    path = box.path / "told.json"
    return json.loads(path.read_text())["facts"][-1] if path.exists() else {}


def test_people_are_told_what_they_asked_for_and_no_secret_shows(box: Box) -> None:
    assert "nobody is told" in box.run("notify").stdout
    hook = Hook(failing=1)
    box.write(
        {
            "[models.late]\n": '[notify.targets.ops]\nlevel = "ACT"\nkinds = ["freeze"]\n'
            '[notify.targets.pager]\nexec = ["/bin/sh", "-c", "cat > part; mv part told.json"]\n\n'
            "[models.late]\n"
        }
    )
    box.run("reload")
    assert "No such file" in box.run("notify", "test", "ops", code=1).stdout
    secrets = box.path / "keys" / "notify.toml"
    secrets.touch(mode=0o600)
    secrets.write_text(f'[targets]\nops = "json://u:{SECRET}@127.0.0.1:{hook.server_port}/x"\n')
    # The hook's first answer is an error; the file of secrets needs no reload.
    assert box.ask("notify", "test", "ops", code=1)[0]["missing"] == "it was not accepted there"
    # A dead target is seen where people look, and told to the others.
    why = "it was not accepted there"
    assert box.ask("status")["untold"] == {"ops": why}
    assert f"ops is not told what happens: {why}" in box.run("status").stdout
    eventually("the others hear of it", lambda: "could not" in heard(box).get("text", ""))
    doctor = {f["name"]: f for f in box.ask("doctor", code=1)}
    assert doctor["told ops"]["found"].startswith(why)
    assert doctor["told pager"]["state"] == "ok"
    assert heard(box)["text"].startswith('"ops" could not be told')
    assert {r["target"]: r["missing"] for r in box.ask("notify", "test")} == {
        "ops": "",
        "pager": "",
    }
    assert hook.got[-1]["message"].split(" ", 1)[1].startswith("a test, asked for by ")
    eventually("the others hear that it works", lambda: "is told again" in heard(box)["text"])
    assert box.refused("notify", "test", "nobody", code=2)["code"] == "unknown_target"
    box.ask("freeze", "late", "--reason", "deploy day")
    eventually("the freeze is told", lambda: "frozen" in hook.got[-1]["message"])
    assert hook.got[-1]["title"] == "cdml box: ACT late freeze"
    texts = "\n".join(box.events())
    assert texts.count('"ops" could not be told') == 1
    assert '"ops" is told again' in texts
    box.down()
    found = [p for p in box.path.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
    assert found == [secrets]
    hook.end()
