"""The table of actions keeps its promises."""

from cdml_tui.actions import ACTIONS, CONFIRM_KEY, Danger, for_key, key_rows


def test_no_key_means_two_things() -> None:
    keys = [key for action in ACTIONS for key in action.keys]
    assert len(keys) == len(set(keys))


def test_the_confirming_key_starts_nothing() -> None:
    assert for_key(CONFIRM_KEY) is None


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
