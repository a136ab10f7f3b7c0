"""An operator's own keys: they hold where they are safe, and every other one is said."""

import json
from pathlib import Path

import pytest
from desk import Desk

from cdml_tui import actions, cli, preferences
from cdml_tui.keymap import mapped
from cdml_tui.panes.bar import footer
from cdml_tui.panes.header import what_r_does
from cdml_tui.panes.line import text_of
from cdml_tui.reach import action_for
from cdml_tui.state import Window

USUAL = {a.name: a.keys for a in actions.ACTIONS}


def test_several_keys_for_one_action_hold_and_the_rest_stays() -> None:
    keys, problems = mapped({"rollback": ["B", "f9"], "down": "+"})
    assert problems == []
    assert keys == {**USUAL, "rollback": ("B", "f9"), "down": ("+",)}


def test_two_keys_may_change_places() -> None:
    keys, problems = mapped({"rollback": ["P"], "promote": ["R"]})
    assert (keys["rollback"], keys["promote"], problems) == (("P",), ("R",), [])


@pytest.mark.parametrize(
    ("name", "wanted", "said"),
    [
        ("rolback", ["R"], 'there is no action "rolback"; is it "rollback"?'),
        ("rollback", ["f99"], 'rollback: there is no key "f99"; is it "f9"?'),
        ("rollback", ["y"], '"y" confirms a change'),
        ("rollback", ["G"], '"G" moves or edits'),
        ("promote", ["enter"], '"enter" moves or edits'),
        ("promote", ["backspace"], '"backspace" moves or edits'),
        ("promote", ["delete"], '"delete" moves or edits'),
        ("promote", ["space"], '"space" moves or edits'),
        ("train", ["x"], "must be a capital"),
        ("train", [], 'keys are written like ["R", "f9"]'),
        ("train", 3, 'keys are written like ["R", "f9"]'),
        ("down", ["ctrl+c"], '"ctrl+c" always leaves'),
        ("train", ["R"], '"R" means both rollback and train; train keeps the usual key'),
    ],
)
def test_what_is_wrong_is_said_and_the_usual_key_kept(name: str, wanted: object, said: str) -> None:
    keys, problems = mapped({name: wanted})
    assert keys == USUAL
    (problem,) = problems
    assert said in problem


def test_a_clash_of_two_own_keys_keeps_both_usual_ones() -> None:
    keys, problems = mapped({"train": ["X"], "abort": ["X"]})
    assert keys == USUAL
    assert problems == ['"X" means both train and abort; train and abort keeps the usual key']


def test_no_second_key_equals_the_first_and_no_change_is_beside_a_motion() -> None:
    for action in actions.ACTIONS:
        if action.danger is not actions.Danger.LOOK:
            assert actions.CONFIRM_KEY not in action.keys
            assert mapped({action.name: list(action.keys)})[1] == []


def test_an_own_key_acts_and_is_what_the_screen_says() -> None:
    desk = Desk()
    keys = mapped({"rollback": ["B", "f9"]})[0]
    desk.screen = desk.replaced(keys=actions.key_rows(keys))
    assert action_for(desk.screen, "R") is None
    assert what_r_does(desk.screen)[0] == "B = roll back to v1 (READY)"
    assert text_of(footer(desk.screen, 80)).startswith(" B rollback")
    assert isinstance(desk.press("f9").screen.bar, Window)


def test_the_file_is_read_from_the_folder_of_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert preferences.read() == preferences.Preferences(preferences.path(), USUAL)
    (tmp_path / "cdml").mkdir()
    text = 'theme = "ansi-light"\nglyphs = "ascii"\n[keys]\nrollback = ["B"]\n'
    (tmp_path / "cdml" / "console.toml").write_text(text)
    liked = preferences.read()
    assert (liked.theme, liked.glyphs, liked.keys["rollback"]) == ("ansi-light", "ascii", ("B",))
    assert liked.warning == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("theme = 3", "theme: one of ansi-dark"),
        ("[keys", "it is no TOML"),
        ("keys = 1", "keys: a table [keys] is expected"),
        ("colour = 1", 'there is no setting "colour"'),
    ],
)
def test_a_file_with_a_mistake_costs_that_setting_only(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "console.toml").write_text(text)
    liked = preferences.read(tmp_path / "console.toml")
    assert liked.keys == USUAL
    assert said in liked.warning
    assert "\n" not in liked.warning


def test_keys_prints_the_map_and_ends_with_2_where_some_was_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "cdml").mkdir()
    text = '[keys]\nrollback = ["B", "f9"]\ntrain = ["j"]\n'
    (tmp_path / "cdml" / "console.toml").write_text(text)
    assert cli.main(["keys", "--json"]) == 2
    said = capsys.readouterr()
    rows = {row["name"]: row for row in json.loads(said.out)}
    assert (rows["rollback"]["keys"], rows["train"]["keys"]) == (["B", "f9"], ["T"])
    assert '"j" moves or edits' in said.err
