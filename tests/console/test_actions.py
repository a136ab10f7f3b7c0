"""The table of actions keeps its promises."""

from cdml_tui.actions import ACTIONS, CONFIRM_KEY, Danger, key_rows
from cdml_tui.keymap import mapped


def test_no_key_means_two_things_in_one_place() -> None:
    assert mapped({a.name: list(a.keys) for a in ACTIONS})[1] == []
    for place in {place for action in ACTIONS for place in action.on} | {""}:
        keys = [key for a in ACTIONS if (place in a.on if place else not a.on) for key in a.keys]
        assert len(keys) == len(set(keys))


def test_the_confirming_key_changes_nothing() -> None:
    assert [a.danger for a in ACTIONS if CONFIRM_KEY in a.keys] == [Danger.LOOK]


def test_lower_case_changes_nothing_but_undo() -> None:
    for action in ACTIONS:
        if action.danger is not Danger.LOOK and action.name != "undo":
            assert all(key.isupper() for key in action.keys)


def test_every_change_has_a_way_back_and_a_command() -> None:
    for action in ACTIONS:
        if action.danger is not Danger.LOOK:
            assert action.way_back
            assert action.command.startswith("cdml ")


def test_no_control_or_function_key_is_needed() -> None:
    for action in ACTIONS:
        assert not action.keys[0].startswith(("ctrl", "f1", "alt"))


def test_every_row_reaches_the_help_page() -> None:
    assert [row.name for row in key_rows()] == [action.name for action in ACTIONS]
