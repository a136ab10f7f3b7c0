"""The line being typed: editing, history, completion."""

import pytest

from cdml_tui.prompt import Prompt, completed, edited, filled, put, recalled


def typed(text: str, at: int | None = None) -> Prompt:
    return Prompt(":", text, len(text) if at is None else at)


@pytest.mark.parametrize(
    ("key", "at", "text", "cursor"),
    [
        ("left", 3, "one two", 2),
        ("left", 0, "one two", 0),
        ("right", 7, "one two", 7),
        ("home", 3, "one two", 0),
        ("end", 3, "one two", 7),
        ("backspace", 3, "on two", 2),
        ("backspace", 0, "one two", 0),
        ("delete", 3, "onetwo", 3),
        ("ctrl+w", 7, "one ", 4),
        ("ctrl+w", 3, " two", 0),
        ("ctrl+u", 4, "two", 0),
        ("ctrl+k", 4, "one ", 4),
    ],
)
def test_editing_keys(key: str, at: int, text: str, cursor: int) -> None:
    made = edited(typed("one two", at), key)
    assert made is not None
    assert (made.text, made.at) == (text, cursor)


def test_what_edits_nothing_is_no_edit() -> None:
    assert edited(typed("a"), "f5") is None


def test_control_characters_never_get_in() -> None:
    assert put(typed("a"), "\x1b[2J\n").text == "a[2J"


def test_the_history_goes_back_and_comes_home() -> None:
    prompt, history = typed("now"), ("first", "second")
    older = recalled(recalled(recalled(prompt, history, 1), history, 1), history, 1)
    assert older.text == "first"
    assert recalled(older, history, -1).text == "second"
    assert recalled(recalled(older, history, -1), history, -1).text == "now"


def test_completion_goes_as_far_as_the_candidates_agree() -> None:
    assert completed(typed("ro"), ["rollback", "rollout"]).text == "roll"
    assert completed(typed("ro"), ["rollback", "rollout"]).said == "rollback  rollout"
    assert completed(typed("rollb"), ["rollback", "rollout"]).text == "rollback "
    assert completed(typed("x"), ["rollback"]).said == "nothing to complete here"
    assert completed(filled(typed(""), "show v"), ["v1", "v2"]).said == "v1  v2"
