"""The units of a workspace as systemd itself judges them; where it is absent these tests fail."""

import json
import pwd
from pathlib import Path

import pytest

from engine import service_verb as service
from engine.errors import RefusedError
from engine.service_verb import checked, place
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
    written = json.loads(capsys.readouterr().out.splitlines()[-1])["units"]
    assert [Path(p).parent for p in written] == [tmp_path / "systemd/user"] * 3
    assert service.main(["status", *words]) == 0
    workspace.config.write_text('[serving]\nlisten = "127.0.0.1:8082"\n')
    assert service.main(["status", *words]) == 1
    assert service.main(["uninstall", *words]) == 0
    assert not any(Path(p).exists() for p in written)


def test_systemd_reads_paths_with_odd_signs_as_they_are(workspace: Workspace) -> None:
    engine = units(made(workspace))["cdml-50_my_flights-engine.service"]
    (start,) = [line for line in engine.splitlines() if line.startswith("ExecStart=")]
    assert f'"{str(workspace.root).replace("%", "%%")}"' in start
