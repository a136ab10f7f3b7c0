"""Keys that look: marks, focus, zoom, copy, note, pause; and why a key cannot work now."""

import flights
import msgspec
import pytest
from desk import Desk

from cdml_tui import guard
from cdml_tui.effects import Copy
from cdml_tui.palette import found
from cdml_tui.panes.bar import footer
from cdml_tui.panes.header import fitted
from cdml_tui.panes.line import text_of
from cdml_tui.prompt import Prompt
from cdml_tui.reach import why_not, works
from cdml_tui.screens.frame import shown
from cdml_tui.state import Asking, Confirm, Screen, Window, heartbeat_came, snapshot_came
from engine import wire


def text(screen: Screen) -> str:
    return "\n".join(text_of(one) for one in shown(screen, screen.width, screen.height))


def viewer() -> Desk:
    return Desk(msgspec.structs.replace(flights.state(), role="viewer"))


# ---------------------------------------------------------------- marks


def test_space_marks_two_versions_and_a_third_replaces_the_oldest() -> None:
    desk = Desk().press("space").press("j").press("space")
    assert desk.screen.marks == ("v3", "v1")
    assert "*> v1" in text(desk.screen)
    assert "*  v3" in text(desk.screen)
    assert desk.press("j").press("space").screen.marks == ("v1", "v4")
    assert desk.press("space").screen.marks == ("v1",)


# ---------------------------------------------------------------- focus and zoom


def test_tab_goes_through_the_panes_and_shift_tab_back() -> None:
    desk = Desk()
    seen = [desk.press("tab").screen.focus for _ in range(4)]
    assert seen == ["signals", "jobs", "events", "versions"]
    assert desk.press("shift+tab").screen.focus == "events"
    assert "▸4 Events" in text(desk.screen)


def test_a_wide_terminal_has_more_panes_and_a_narrow_one_only_one() -> None:
    desk = Desk()
    desk.screen = desk.replaced(width=160, height=48)
    assert [desk.press("tab").screen.focus for _ in range(5)][-1] == "plan"
    desk.screen = desk.replaced(width=40, height=10)
    assert desk.press("tab").screen.focus == "versions"
    assert "room for this pane only" in desk.screen.message
    desk.press("z")
    assert [desk.press("tab").screen.focus for _ in range(3)] == ["signals", "jobs", "events"]


@pytest.mark.parametrize(("tabs", "title"), [(0, "Versions"), (1, "Signals"), (3, "Events")])
@pytest.mark.parametrize(("width", "height"), [(40, 10), (80, 24), (160, 48)])
def test_z_gives_a_pane_the_screen_and_takes_it_back(
    tabs: int, title: str, width: int, height: int
) -> None:
    desk = Desk()
    for _ in range(tabs):
        desk.press("tab")
    desk.screen = desk.replaced(width=width, height=height)
    before = text(desk.screen)
    desk.press("z")
    drawn = text(desk.screen).splitlines()
    assert len(drawn) == height
    assert sum(f" {name} " in one for one in drawn for name in ("Jobs", "Plan")) == 0
    assert any(title in one for one in drawn)
    assert text(desk.press("z").screen) == before
    desk.press("z")
    assert not desk.press("escape").screen.zoomed


def test_a_zoomed_pane_scrolls_and_begins_with_the_newest_event() -> None:
    rows = [
        wire.EventRow(i, flights.ago(seconds=100 - i), "WARN", "ingest", "late", f"row {i}")
        for i in range(100)
    ]
    desk = Desk(msgspec.structs.replace(flights.state(), events=rows))
    desk.press("shift+tab").press("z")
    assert "row 99" in text(desk.screen)
    assert "row 0\n" not in text(desk.screen)
    assert " row 0 " in text(desk.press("g").screen)
    assert " row 1 " in text(desk.press("j").screen)


def test_while_a_pane_hides_the_versions_no_change_is_begun() -> None:
    desk = Desk().press("tab").press("z").press("R", 2)
    assert desk.screen.bar is None
    assert "make the pane small again first (z)" in desk.screen.message
    assert isinstance(desk.press("z").press("R", 0.5).screen.bar, Confirm), "not seen for 1 s"
    assert isinstance(Desk().press("z").press("R", 2).screen.bar, Window), "versions are seen"


# ---------------------------------------------------------------- copy


def test_y_copies_the_command_that_shows_the_same_and_shows_it() -> None:
    desk = Desk().press("y")
    assert desk.effects[-1] == Copy("cdml show late v3")
    assert "copied: cdml show late v3" in text(desk.screen)
    assert desk.press("e").press("y").effects[-1] == Copy("cdml events")
    assert desk.press("q").line("status").press("y").effects[-1] == Copy("cdml status")


def test_after_a_change_y_copies_the_command_that_did_it() -> None:
    from cdml_tui import answers

    desk = Desk().press("R").wait(0.9)
    intent = desk.sent[0].intent
    desk.take(answers.refused(desk.screen, intent, "no", status=409, at=desk.at))
    assert desk.press("y").effects[-1] == Copy("cdml rollback late --to v1 --expect v3")


# ---------------------------------------------------------------- note


def test_n_says_why_on_the_open_incident() -> None:
    desk = Desk(flights.state(flights.model(incident=7)))
    desk.press("n").type("fog in the east").press("enter")
    (sent,) = desk.sent
    assert sent.intent.words == ("incident", "7", "--note", "fog in the east")
    assert isinstance(desk.screen.bar, Asking)


def test_an_empty_note_is_not_sent_and_without_an_incident_the_audit_has_it() -> None:
    desk = Desk(flights.state(flights.model(incident=7))).press("n").press("enter")
    assert isinstance(desk.screen.bar, Prompt)
    assert not desk.sent
    desk = Desk().press("n").type("fog").press("enter")
    assert desk.sent[0].intent.words == ("note", "late", "--reason", "fog")


# ---------------------------------------------------------------- pause


def test_a_paused_screen_stays_and_its_age_goes_on() -> None:
    desk = Desk().press("p")
    calm = flights.state(flights.model(champion="v1", breach=None))
    desk.screen = snapshot_came(desk.screen, calm, desk.at)
    desk.wait(7)
    said = text(desk.screen)
    assert "v3   champion" in said
    assert "PAUSED 7s" in said
    assert desk.press("p").screen.snapshot == calm
    assert "PAUSED" not in text(desk.screen)


def test_a_pause_without_news_goes_on_as_it_was() -> None:
    desk = Desk().press("p").wait(3)
    before = desk.screen.snapshot
    assert desk.press("p").screen.snapshot is before


def test_a_key_on_a_paused_screen_asks_for_y_and_ends_the_pause() -> None:
    desk = Desk().press("p").wait(3).press("R")
    assert isinstance(desk.screen.bar, Confirm)
    assert "paused" in desk.screen.bar.why
    assert desk.press("y").screen.paused is None
    assert desk.sent


# ---------------------------------------------------------------- palette


def test_the_palette_finds_actions_by_letters_and_does_them() -> None:
    desk = Desk()
    assert found(desk.screen.keys, "rollb")[0].name == "rollback"
    assert found(desk.screen.keys, "zzzz") == []
    assert {r.name for r in found(desk.screen.keys, "")} >= {"rollback", "events", "quit"}
    desk.press("w").type("events")
    assert "cdml events" in text(desk.screen)
    assert [s.subject.page for s in desk.press("enter").screen.sheets] == ["events"]


def test_the_palette_is_walked_with_the_arrows() -> None:
    desk = Desk().press("ctrl+p").press("down").press("down").press("up")
    assert isinstance(desk.screen.bar, Prompt)
    assert desk.screen.bar.picked == 1
    second = found(desk.screen.keys, "")[1]
    assert f"> {second.keys[0]}" in text(desk.screen)


def test_a_change_found_in_the_palette_is_meant_as_much_as_by_its_key() -> None:
    desk = Desk().press("w").type("rollback").press("enter")
    assert isinstance(desk.screen.bar, Window)
    assert not desk.sent
    burst = Desk().press("w").type("rollback").press("enter", 0.01)
    assert burst.screen.bar is None
    assert "ignored" in burst.screen.message


@pytest.mark.parametrize(("width", "height"), [(40, 10), (80, 24), (160, 48)])
@pytest.mark.parametrize("key", [":", "/", "w"])
def test_a_line_never_breaks_the_layout(key: str, width: int, height: int) -> None:
    desk = Desk().press(key).type("x" * 300)
    screen = desk.replaced(width=width, height=height)
    drawn = shown(screen, width, height)
    assert len(drawn) == height
    assert {len(text_of(one)) for one in drawn} == {width}
    assert text_of(drawn[-1]).rstrip().endswith("x")


# ---------------------------------------------------------------- dim keys say why


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("promote", "v3 is the champion already"),
        ("abort", "neither a canary nor a shadow runs"),
        ("undo", "there is no change of the last 60 s"),
        ("mute", "no alert fires"),
        ("model", "there is only this model"),
        ("last_hit", "no rows are filtered here"),
    ],
)
def test_a_dim_key_says_the_same_in_help_footer_and_when_pressed(name: str, why: str) -> None:
    desk = Desk()
    desk.screen = desk.replaced(width=160, height=48)
    assert why in why_not(desk.screen, name)
    row = next(k for k in desk.screen.keys if k.name == name)
    assert not works(desk.screen, name)
    keys = [s for s in footer(desk.screen, 200) if s.text.strip() == row.keys[0]]
    assert all(key.style == "dim" for key in keys if row.in_footer and row.keys != ("n",))
    assert f"not now: {why}" in text(Desk().replaced(width=160, height=90, sheets=help_sheet()))
    desk.press(row.presses[0])
    assert why in desk.screen.message or why in text(desk.screen)


def help_sheet() -> tuple[object, ...]:
    return Desk().press("?").screen.sheets


def test_a_viewers_console_binds_no_key_that_changes_and_says_so() -> None:
    desk = viewer()
    assert "viewer: looks only" in "\n".join(text_of(one) for one in fitted(desk.screen, 80))
    for key in desk.screen.keys:
        if key.danger != "A":
            desk.press(key.presses[0], 2)
            assert desk.screen.bar is None
            assert "your role here is viewer" in desk.screen.message
    assert not desk.wait(6).sent
    assert "no key that changes is bound" in text(desk.press("?").screen)
    assert "R = " not in text(desk.press("q").screen)


def test_a_viewer_may_look_mark_filter_and_open() -> None:
    desk = viewer().press("space").press("e")
    assert desk.screen.marks
    assert desk.screen.sheets


def test_ctrl_c_never_types_and_leaves_like_q() -> None:
    desk = Desk().press(":").type("do")
    press = guard.Press("ctrl+c", desk.at + 1, "quit", "\x03")
    assert guard.pressed(desk.screen, press)[0].bar is None


def test_in_a_terminal_too_low_to_show_the_version_p_asks_for_y() -> None:
    desk = Desk().select("v4")
    desk.screen = desk.replaced(width=40, height=10)
    assert isinstance(desk.press("P").screen.bar, Confirm)
    desk.press("escape")
    assert isinstance(desk.press("R", 1).screen.bar, Window), "what R does is always shown"


def test_a_heartbeat_does_not_end_a_pause() -> None:
    desk = Desk().press("p")
    assert heartbeat_came(desk.screen, desk.at + 1).paused is not None


def test_however_much_is_wrong_a_low_terminal_says_what_the_key_back_does() -> None:
    breach = "; ".join(f"column_{n} psi 0.{n}1, limit 0.2, n 1949" for n in range(40))
    desk = Desk(flights.state(flights.model(breach=breach)))
    for width, height in ((40, 10), (40, 12), (60, 24)):
        said = text(desk.replaced(width=width, height=height))
        assert "R = roll back to v1 (READY)" in said
        assert "v3" in said or height < 12


def test_the_palettes_selected_row_is_in_view_in_any_terminal() -> None:
    desk = Desk()
    desk.screen = desk.replaced(width=40, height=10)
    desk.press("w")
    assert " > " in text(desk.screen)
    for _ in range(20):
        desk.press("down")
    assert " > " in text(desk.screen)


def test_a_long_message_is_folded_and_not_cut() -> None:
    screen = Desk().replaced(message="one two three four five six " * 5 + "end")
    assert "end" in text(screen)
