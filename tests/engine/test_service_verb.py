"""The units of a workspace as systemd itself judges them; where it is absent these tests fail."""

import json
import os
import pwd
from pathlib import Path

import pytest

from engine import service_verb as service
from engine.errors import RefusedError
from engine.service_verb import check_reach, checked, place
from engine.units import Place, units
from engine.workspace import Workspace

SETTINGS = '[serving]\nlisten = "127.0.0.1:8081"\n'


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace whose name no unit may have as it is."""
    found = Workspace(tmp_path / "50% my flights")
    found.root.mkdir()
    found.config.write_text(SETTINGS)
    return found


def made(workspace: Workspace, *, user: bool = False) -> Place:
    found = place(workspace, user=user)
    # Who runs the tests may be root or nobody, which systemd would rather not see.
    someone = next(p.pw_name for p in pwd.getpwall() if p.pw_name not in ("root", "nobody"))
    names = {f: getattr(found, f) for f in Place.__dataclass_fields__}
    return Place(**(names if user else {**names, "user": someone, "group": "root"}))


def test_systemd_finds_no_fault_and_little_that_is_exposed(workspace: Workspace) -> None:
    found = checked(units(made(workspace)), user=False)
    assert sorted(found) == [
        "cdml-50_my_flights-engine.service",
        "cdml-50_my_flights-serving.service",
    ]
    assert all(0 < exposure <= service.EXPOSED for exposure in found.values())


def test_units_of_a_user_are_without_fault_too(workspace: Workspace) -> None:
    texts = units(made(workspace, user=True))
    assert checked(texts, user=True) == {}
    assert all("ProtectSystem" not in text and "User=" not in text for text in texts.values())


def test_a_fault_is_named_and_nothing_is_written(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = units(made(workspace))
    broken = {name: text.replace("Type=notify", "Type=nitofy") for name, text in texts.items()}
    with pytest.raises(RefusedError, match="nitofy"):
        checked(broken, user=False)


def test_the_port_is_systemds_and_both_have_to_say_that_they_live(workspace: Workspace) -> None:
    texts = units(made(workspace))
    assert "ListenStream=127.0.0.1:8081" in texts["cdml-50_my_flights-serving.socket"]
    serving = texts["cdml-50_my_flights-serving.service"]
    engine = texts["cdml-50_my_flights-engine.service"]
    assert "Requires=cdml-50_my_flights-serving.socket" in serving
    assert "IPAddressAllow=localhost" in serving
    assert "--serving-apart" in engine
    for text in (serving, engine):
        assert "Type=notify" in text
        assert "WatchdogSec=" in text
        assert f'ReadWritePaths="{str(workspace.root).replace("%", "%%")}"' in text


def test_the_port_of_other_machines_is_not_cut_off_from_them(workspace: Workspace) -> None:
    workspace.config.write_text('[serving]\nlisten = "0.0.0.0:8081"\n')
    assert not any("IPAddressDeny" in text for text in units(made(workspace)).values())


def test_install_writes_status_compares_uninstall_removes(
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    words = ["-w", str(workspace.root), "--user", "--json"]
    assert service.main(["status", *words]) == 1
    assert service.main(["install", *words]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    written = said["units"]
    assert any("enable-linger" in step for step in said["next"])
    assert [Path(p).parent for p in written] == [tmp_path / "systemd/user"] * 3
    assert service.main(["status", *words]) == 0
    workspace.config.write_text('[serving]\nlisten = "127.0.0.1:8082"\n')
    assert service.main(["status", *words]) == 1
    assert service.main(["uninstall", *words]) == 0
    assert not any(Path(p).exists() for p in written)


def test_units_of_another_workspace_by_the_same_name_are_left_alone(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    other = Workspace(tmp_path / "elsewhere" / workspace.root.name)
    other.root.mkdir(parents=True)
    other.config.write_text(SETTINGS)
    assert service.main(["install", "--user", "-w", str(workspace.root)]) == 0
    written = {f: f.read_bytes() for f in (tmp_path / "systemd/user").iterdir()}
    for what in ("install", "uninstall"):
        assert service.main([what, "--user", "-w", str(other.root)]) == 4
    assert {f: f.read_bytes() for f in (tmp_path / "systemd/user").iterdir()} == written


def test_a_training_may_take_what_it_was_given(workspace: Workspace) -> None:
    engine = "cdml-50_my_flights-engine.service"
    assert "MemoryMax=4096M\n" in units(made(workspace))[engine]
    model = '[models.a]\ntask = "binary"\ntarget = "x"\ntime = "t"\ntrain.memory = "8GiB"\n'
    workspace.config.write_text(SETTINGS + model)
    assert "MemoryMax=12288M\n" in units(made(workspace))[engine]


def test_what_lies_in_a_home_or_a_temporary_folder_is_not_hidden(workspace: Workspace) -> None:
    known = made(workspace)
    names = {f: getattr(known, f) for f in Place.__dataclass_fields__}
    elsewhere = {"root": Path("/srv/a"), "python": Path("/srv/b"), "writes": [Path("/srv/a")]}
    for reads, home, own in (
        ([Path("/srv/c")], "yes", "yes"),
        ([Path("/run/user/7/env")], "read-only", "yes"),
        ([Path("/var/tmp/env")], "yes", "no"),
    ):
        text = units(Place(**{**names, **elsewhere, "reads": reads}))["cdml-a-engine.service"]
        assert f"ProtectHome={home}\nPrivateTmp={own}\n" in text


def test_a_user_who_cannot_read_the_program_is_named(workspace: Workspace) -> None:
    found = made(workspace)
    names = {f: getattr(found, f) for f in Place.__dataclass_fields__}
    closed = workspace.root / "python"
    closed.write_text("#!/bin/sh\n")
    closed.chmod(0o700)
    if os.geteuid() == 0:
        with pytest.raises(RefusedError, match="may read it"):
            check_reach(Place(**{**names, "python": closed}))


def test_systemd_reads_paths_with_odd_signs_as_they_are(workspace: Workspace) -> None:
    engine = units(made(workspace))["cdml-50_my_flights-engine.service"]
    (start,) = [line for line in engine.splitlines() if line.startswith("ExecStart=")]
    assert f'"{str(workspace.root).replace("%", "%%")}"' in start
