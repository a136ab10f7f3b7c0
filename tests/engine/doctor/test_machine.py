"""What the doctor says of the machine."""

from pathlib import Path

import pytest

from engine.doctor import machine
from engine.doctor.finding import Patient
from engine.settings import load
from engine.workspace import Workspace


def test_where_the_disk_is_full_what_is_large_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path)
    workspace.config.write_text("")
    for name, size in (("backups", 3), ("aside", 2), ("runs", 1), ("logs", 0)):
        (tmp_path / name / "inside").mkdir(parents=True)
        (tmp_path / name / "inside" / "file").write_bytes(bytes(size << 20))
    monkeypatch.setattr(machine, "FLOOR", 2**62)
    found = next(iter(machine.disk(Patient(workspace, load(workspace.config), None))))
    assert found.state == "bad"
    assert "Largest here: backups 3 MiB, aside 2 MiB, runs 1 MiB." in found.mend
