"""The engine tells a real webhook and a real program what happens, and no secret shows anywhere."""

import json

from tests.box import Box, eventually
from tests.engine.telemetry.test_notifier import SECRET, Hook


def test_people_are_told_what_they_asked_for_and_no_secret_shows(box: Box) -> None:
    assert "nobody is told" in box.run("notify").stdout
    hook = Hook(failing=1)
    box.write(
        {
            "[models.late]\n": '[notify.targets.ops]\nlevel = "ACT"\nkinds = ["freeze"]\n'
            '[notify.targets.pager]\nexec = ["/bin/sh", "-c", "cat > told.json"]\n\n'
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
    assert {r["target"]: r["missing"] for r in box.ask("notify", "test")} == {
        "ops": "",
        "pager": "",
    }
    assert hook.got[-1]["message"].split(" ", 1)[1].startswith("a test, asked for by ")
    assert json.loads((box.path / "told.json").read_text())["facts"][0]["kind"] == "notify"
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
