"""A broken cdml.toml stops nobody; a changed one is obeyed without a restart."""

from collections.abc import Callable

import httpx
import pytest

from engine.errors import InvalidError
from engine.serving.last_good import found, last_good
from engine.workspace import Workspace

from .conftest import SETTINGS, Service
from .test_process import PATH, body

Start = Callable[..., Service]
NEW = '\n[models.new]\ntask = "binary"\ntarget = "late"\ntime = "event_time"\n'


def test_the_last_good_settings_are_taken_while_the_file_is_broken(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    good = last_good(workspace)
    workspace.config.write_text(SETTINGS + "[models.late]\ntask = ")
    assert last_good(workspace) == good
    (said,) = [r.getMessage() for r in caplog.records]
    assert "it is not TOML" in said
    assert "last good one" in said
    workspace.config.write_text(SETTINGS + NEW)
    assert "new" in last_good(workspace).models
    workspace.config.unlink()
    assert "new" in last_good(workspace).models


@pytest.mark.parametrize("kept", [0, 40])
def test_a_file_that_was_cut_within_a_line_is_not_taken_for_a_whole_one(
    workspace: Workspace, kept: int
) -> None:
    good = last_good(workspace)
    workspace.config.write_bytes(workspace.config.read_bytes()[:kept])
    assert found(workspace).settings == good
    assert f"it ends after {kept} bytes, within line" in found(workspace).fault
    assert last_good(workspace) == good


def test_lines_taken_out_at_the_end_are_a_person_s_will(workspace: Workspace) -> None:
    last_good(workspace)
    workspace.config.write_text(SETTINGS.partition("[")[0] + '[workspace]\nname = "w"\n')
    last_good(workspace)
    workspace.config.write_text("")
    assert found(workspace).fault
    workspace.config.write_text("[workspace]\n")
    assert found(workspace).fault == ""


def test_without_a_good_one_the_mistake_is_told(workspace: Workspace) -> None:
    workspace.config.write_text("[")
    with pytest.raises(InvalidError, match="not TOML"):
        last_good(workspace)
    (workspace.run / "cdml.toml").write_text("[")
    with pytest.raises(InvalidError, match="not TOML"):
        last_good(workspace)


def test_serving_starts_and_obeys_whatever_happens_to_the_file(
    workspace: Workspace, start: Start
) -> None:
    start().kill()
    workspace.config.write_text("[models.late")
    service = start()
    assert httpx.post(service.url + PATH, content=body()).status_code == 200
    path = f"{service.url}/v1/models/new/predict"
    assert httpx.post(path, content=body()).status_code == 404
    workspace.config.write_text(SETTINGS + NEW + "[serving]\nworkers = 3\n")
    service.link.sync("late")
    assert httpx.post(path, content=body()).status_code == 404
    service.link.sync()
    assert httpx.post(path, content=body()).json()["error"]["code"] == "no_champion"
    workspace.config.write_text("[models.late")
    service.link.sync()
    assert httpx.post(path, content=body()).status_code == 503
    said = service.errors.read_text()
    assert "last good one" in said
    assert "serving.workers changed" in said
