"""What a walk through every screen by hand found, kept: ways out, words that tell, plain tables."""

from dataclasses import replace

import flights
import measured
import pytest
from desk import Desk
from page_desk import answered, opened, texts

from cdml_tui import actions, state
from cdml_tui.answers import unanswered
from cdml_tui.effects import Ran
from cdml_tui.palette import found
from cdml_tui.panes.bar import _LOOKS
from cdml_tui.panes.figures import figure
from cdml_tui.panes.line import text_of
from cdml_tui.reach import why_not
from cdml_tui.screens.frame import shown


def last_lines(desk: Desk, n: int = 1) -> str:
    return " ".join(texts(desk)[-n:])


def test_the_base_screen_names_its_pages_until_something_else_is_said() -> None:
    desk = Desk()
    desk.screen = replace(desk.screen, width=80, height=24)
    for word in ("v version", "d drift", "f performance", "l runs", "o overview", "? keys"):
        assert word in last_lines(desk, 2)
    assert {actions.named(name).danger for name in _LOOKS} == {actions.Danger.LOOK}
    assert "d drift" not in last_lines(desk.press("q"), 2)
    assert "press q again" in last_lines(desk, 2)


def test_who_has_no_role_is_told_so_and_not_that_nobody_answers() -> None:
    why = "This user has no role here."
    for before in (state.Screen(keys=actions.key_rows()), Desk().screen):
        screen = state.link_lost(before, why, 12.0, barred=True)
        said = " ".join(text_of(one) for one in shown(screen, 80, 24))
        assert "NO ENTRY: the engine answers, but not to you" in said
        assert "NO ENGINE" not in said
        assert "--offline" not in said
        assert why in said
    assert not state.snapshot_came(screen, flights.state(), 13.0).barred


def test_the_way_out_of_a_page_is_named_on_any_terminal() -> None:
    for name in ("rollout", "data", "jobs", "alerts"):
        assert "Esc back" in last_lines(opened(name, width=40, height=10))


def test_enter_is_named_only_where_it_opens_something() -> None:
    desk = opened("drift", measured.drift_page())
    assert "Enter open" in last_lines(desk)
    assert "Enter open" not in last_lines(answered(desk.press("enter"), measured.drift_page()))


def test_nothing_that_changes_is_chosen_in_the_palette_by_default() -> None:
    rows = found(Desk().screen.keys, "")
    changing = [at for at, row in enumerate(rows) if row.danger != "A"]
    assert min(changing) > 20
    assert max(changing) == len(rows) - 1


def test_a_hint_names_the_keys_that_the_operator_has() -> None:
    keys = actions.key_rows({"down": ("s",), "up": ("d",)})
    screen = replace(Desk().screen, keys=keys)
    assert "s and d select another version" in why_not(screen, "promote")


def test_a_table_that_a_verb_wrote_keeps_its_columns() -> None:
    wrote = "VERSION   STATE     TRAINED ON\nv3        proven    2013-01-01 .. 2013-03-14\n"
    desk = answered(Desk().line("versions"), Ran(0, wrote))
    desk.screen = replace(desk.screen, width=40, height=24)
    rows = [one.rstrip() for one in texts(desk)]
    assert " VERSION   STATE     TRAINED ON" in rows
    assert " v3        proven    2013-01-01 .. 2013" in rows


@pytest.mark.parametrize(
    ("value", "written"), [(-0.0001, ".000"), (0.0001, ".000"), (-0.001, "-.001"), (0.0, "0")]
)
def test_what_rounds_to_nothing_has_no_sign(value: float, written: str) -> None:
    assert figure(value) == written


def test_on_a_narrow_terminal_the_command_without_the_engine_comes_whole() -> None:
    desk = Desk()
    desk.screen = replace(desk.screen, width=40, height=10)
    desk.wait(2).press("R").wait(0.9)
    intent = desk.sent[-1].intent
    desk.screen, _ = unanswered(desk.screen, intent, "the line broke", was_sent=True, at=desk.at)
    said = " ".join(" ".join(one.split()) for one in texts(desk))
    assert "cdml -w /srv/flights rollback late --offline" in said
    assert "the line broke" in said


def test_on_a_narrow_terminal_why_a_key_asks_for_y_comes_whole() -> None:
    desk = Desk()
    desk.screen = replace(desk.screen, width=40, height=10)
    desk.wait(9, fresh=False).press("R", fresh=False)
    said = " ".join(" ".join(one.split()) for one in texts(desk))
    assert "nothing was heard for 10 s (limit 5)" in said
