"""`cdml token` as an operator types it."""

import json
import subprocess
from pathlib import Path

from tests.box import CDML, ENVIRONMENT

CONFIG = """
[serving]
listen = "{listen}"
[models.late]
task = "binary"
target = "late"
time = "event_time"
"""


def cdml(root: Path, *words: str, code: int = 0) -> str:
    """Run `cdml` on a workspace; return what it said on the stream that its exit code means."""
    run = subprocess.run(
        [*CDML, *words, "-w", str(root)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == code, run.stderr
    return run.stderr if code else run.stdout


def test_a_token_is_made_once_listed_by_name_and_revoked(tmp_path: Path) -> None:
    (tmp_path / "cdml.toml").write_text(CONFIG.format(listen="127.0.0.1:8080"))
    assert "no tokens" in cdml(tmp_path, "token", "list")
    secret = cdml(tmp_path, "token", "new", "tower").strip()
    assert secret.startswith("cdml_")
    assert len(secret) > 40
    listed = json.loads(cdml(tmp_path, "token", "list", "--json"))
    assert [token["name"] for token in listed] == ["tower"]
    assert secret not in (tmp_path / "keys" / "tokens.json").read_text()
    assert "revoke that first" in cdml(tmp_path, "token", "new", "tower", code=2).lower()
    assert "Known: tower" in cdml(tmp_path, "token", "revoke", "nobody", code=2)
    assert "it was the last" in cdml(tmp_path, "token", "revoke", "tower")
    assert "cdml token new NAME" in cdml(tmp_path, "token", "new", code=2)


def test_beyond_this_machine_nothing_starts_without_a_token(tmp_path: Path) -> None:
    (tmp_path / "cdml.toml").write_text(CONFIG.format(listen="0.0.0.0:0"))
    for verb in ("check", "up"):
        assert "cdml token new NAME" in cdml(tmp_path, verb, code=4)
    cdml(tmp_path, "token", "new", "tower")
    assert "is valid" in cdml(tmp_path, "check")
    assert "it is the last" in cdml(tmp_path, "token", "revoke", "tower", code=4)
