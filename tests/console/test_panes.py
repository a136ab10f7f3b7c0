"""The panes as golden text. What is drawn is compared by golden_text.py."""

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import flights
import msgspec
import pytest
from desk import Desk
from golden_text import compare

from cdml_tui import actions, answers
from cdml_tui.panes.jobs import jobs
from cdml_tui.panes.layout import watch
from cdml_tui.panes.line import inert, text_of, width_of, wrapped
from cdml_tui.state import Glyphs, Screen, link_lost, snapshot_came
from engine import wire

SIZES = ((40, 10), (40, 12), (80, 24), (160, 48))


def empty() -> Screen:
    return Screen(path="/srv/flights", keys=actions.key_rows())


def breach() -> Screen:
    return Desk().screen


def calm() -> Screen:
    fine = [msgspec.structs.replace(s, breached=False) for s in flights.signals()]
    return Desk(flights.state(flights.model(breach=None, signals=fine))).screen


def quieted() -> Screen:
    """All that is over its limit is known: acknowledged, muted, or not yet an alert."""
    states = ("acknowledged", "muted", "")
    signals = [
        msgspec.structs.replace(s, alert=states[at]) if at < 3 else s
        for at, s in enumerate(flights.signals())
    ]
    alerts = [
        flights.alert(3, kind="realised", name="log_loss", state="acknowledged", acked_by="ada"),
        flights.alert(4, state="muted", muted_by="ada", muted_until=flights.ahead(hours=5)),
    ]
    return Desk(flights.state(flights.model(breach=None, signals=signals, alerts=alerts))).screen


def held() -> Screen:
    lock = wire.Lock("hold", "ben", "rolled back from v3", flights.ago(minutes=6))
    return Desk(flights.state(flights.model(locks=[lock], breach=None))).screen


def locked() -> Screen:
    stopped = wire.Suppressed("train: new data", 3, flights.ago(hours=5), flights.ago(hours=1))
    locks = [
        wire.Lock("freeze", "ada", "moving racks", flights.ago(hours=6), everywhere=True,
                  suppressed=[stopped]),
        wire.Lock("pin", "ben", "audit week", flights.ago(days=2), version="v3"),
    ]  # fmt: skip
    return Desk(flights.state(flights.model(locks=locks, breach=None))).screen


def waiting() -> Screen:
    rows = [
        msgspec.structs.replace(row, state="canary, waits for approval")
        if row.version == "v4"
        else row
        for row in flights.rollout()
    ]
    return Desk(flights.state(flights.model(versions=rows, breach=None, incident=7))).screen


def after_the_bad_day() -> Screen:
    return Desk(flights.state(flights.model(breach=None, incident=7))).screen


def to_safe_mode() -> Screen:
    """The first champion has only its baseline to go back to."""
    safe = flights.version("v3-safe", "registered", ["standby"], None, 0, "none", safe_mode=True)
    plan = msgspec.structs.replace(flights.ROLLBACK, to="v3-safe", measured="not measured yet")
    rows = [*flights.versions(), safe]
    desk = Desk(flights.state(flights.model(versions=rows, rollback=plan, breach=None)))
    return desk.press("R").wait(0.2).screen


def replaying() -> Screen:
    state = flights.state()
    engine = msgspec.structs.replace(state.engine, simulated=True)
    return Desk(msgspec.structs.replace(state, engine=engine)).screen


def first_run() -> Screen:
    bare = flights.model(
        champion=None, versions=[], signals=[], drift=[], promote={}, breach=None, next_check=None,
        rollback=wire.Plan("rollback", False, "no version was ever champion.", None, None),
    )  # fmt: skip
    return Desk(flights.state(bare, jobs=[], schedules=[], events=[])).screen


def no_model() -> Screen:
    none = msgspec.structs.replace(flights.state(), models=[], jobs=[], schedules=[], events=[])
    return snapshot_came(empty(), none, 0.0)


def lost() -> Screen:
    desk = Desk()
    return replace(link_lost(desk.screen, "nobody answers", desk.at), at=desk.at + 12)


def never_there() -> Screen:
    said = 'Asking the engine for /state: nobody answers on "/srv/flights/run/engine.sock".'
    return link_lost(empty(), said, 3.0)


def hostile() -> Screen:
    row = msgspec.structs.replace(
        flights.versions()[0], version="\x1b[2Jv", state="[bold]x[/]\r\n\u202etxet \u7248\u672c"
    )
    bad = flights.model(versions=[row], breach="\x07\x1b]0;owned\x07 temp\u0301", breach_since=None)
    return Desk(flights.state(bad)).screen


def window() -> Screen:
    return Desk().press("R").wait(0.2).screen


def stopping() -> Screen:
    canary = flights.model(versions=flights.rollout())
    return Desk(flights.state(canary)).press("S").wait(0.2).screen


def quieting() -> Screen:
    """The key that acknowledges the worst alert, before it fires."""
    return Desk(flights.state(flights.model(alerts=[flights.alert()]))).press("A").wait(0.2).screen


def confirm() -> Screen:
    return Desk().press("R", 7.0, fresh=False).screen


def typing() -> Screen:
    return Desk().select("v5").press("P").type("v5").press("enter").type("bird").screen


def explain() -> Screen:
    return Desk().select("v2").press("P").screen


def unknown() -> Screen:
    desk = Desk().press("R").wait(0.9)
    intent = desk.sent[0].intent
    desk.take(answers.unanswered(desk.screen, intent, "the line broke", was_sent=True, at=desk.at))
    return desk.wait(1.0).screen


def _changed() -> Desk:
    desk = Desk().press("R").wait(0.9)
    answer = wire.ChangeAnswer("late", "v3", "v1", 5, 51, changed=True)
    return desk.take(answers.change_answered(desk.screen, desk.sent[0].intent, answer, desk.at))


def proving() -> Screen:
    return _changed().wait(0.1).screen


def done() -> Screen:
    desk = _changed()
    proof = wire.Proof("late", 5, "v1", {"v1": 37}, "live", proven=True)
    desk.take(answers.proof_came(desk.screen, proof, desk.at))
    after = flights.model(champion="v1", undo_until=flights.ahead(seconds=70), breach=None)
    desk.screen = snapshot_came(desk.screen, flights.state(after), desk.at)
    return desk.wait(2).screen


SCENES: tuple[Callable[[], Screen], ...] = (
    calm, quieted, held, locked, waiting, after_the_bad_day, to_safe_mode, replaying, first_run,
    no_model, lost, never_there, hostile, window,
    stopping, quieting, confirm, typing, explain, unknown, proving, done, empty,
)  # fmt: skip


@pytest.mark.parametrize("glyphs", ["unicode", "ascii"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_base_screen_at_every_size(width: int, height: int, glyphs: Glyphs) -> None:
    screen = replace(breach(), glyphs=glyphs)
    compare(f"breach-{width}x{height}-{glyphs}", watch(screen, width, height))


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_scene_at_80x24(scene: Callable[[], Screen]) -> None:
    compare(f"{scene.__name__}-80x24", watch(scene(), 80, 24))


@pytest.mark.parametrize(
    "scene", [window, stopping, lost, done, unknown], ids=lambda scene: scene.__name__
)
@pytest.mark.parametrize(("width", "height"), [(40, 10), (40, 12), (160, 48)])
def test_what_matters_at_other_sizes(scene: Callable[[], Screen], width: int, height: int) -> None:
    compare(f"{scene.__name__}-{width}x{height}", watch(scene(), width, height))


@pytest.mark.parametrize("scene", [breach, *SCENES], ids=lambda scene: scene.__name__)
@pytest.mark.parametrize("glyphs", ["unicode", "ascii"])
def test_every_screen_fills_exactly_its_size(scene: Callable[[], Screen], glyphs: Glyphs) -> None:
    screen = replace(scene(), glyphs=glyphs)
    for width in (1, 8, 20, 40, 76, 80, 119, 120, 160, 240):
        for height in (1, 2, 5, 11, 12, 20, 24, 30, 48, 80):
            lines = watch(screen, width, height)
            assert [width_of(text_of(one)) for one in lines] == [width] * height
            if glyphs == "ascii":
                assert all(text_of(one).isascii() for one in lines)


def test_what_is_not_known_is_drawn_as_not_known() -> None:
    def bare(row: msgspec.Struct) -> msgspec.Struct:
        fields = msgspec.structs.fields(row)
        optional = {f.name for f in fields if type(None) in get_args(f.type)}
        times = {n: "no time" for n in ("queued_at", "time", "since") if hasattr(row, n)}
        return msgspec.structs.replace(row, **dict.fromkeys(optional), **times)

    whole = flights.state()
    lists = ("versions", "signals", "drift")
    model = msgspec.structs.replace(
        whole.models[0], **{n: [bare(r) for r in getattr(whole.models[0], n)] for n in lists}
    )
    rows = ("jobs", "schedules", "events")
    state = msgspec.structs.replace(
        whole, models=[model], **{n: [bare(r) for r in getattr(whole, n)] for n in rows}
    )
    text = "\n".join(text_of(one) for one in watch(Desk(state).screen, 160, 48))
    assert "--" in text
    assert "None" not in text


def test_nothing_a_terminal_obeys_gets_through() -> None:
    for one in watch(hostile(), 80, 24):
        assert text_of(one).isprintable()
    assert inert("a\x1b[31m\u202e\u0301\tb") == "a·[31m···b"


def test_wrapping_keeps_every_word_and_every_column() -> None:
    text = "a path/that-is-longer-than-the-whole-line and words"
    lines = wrapped(text, 16)
    assert all(len(one) <= 16 for one in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_running_job_says_how_far_it_is_and_how_long_it_still_takes() -> None:
    running = msgspec.structs.replace(flights.jobs()[0], left_s=130.0, note="fit 2 of 5, 900 rows")
    screen = Desk(flights.state(jobs=[running])).screen
    rows = [text_of(row) for row in jobs(screen, 60, 5)]
    assert any("41%" in row and "2m left, fit 2 of 5, 900 rows" in row for row in rows)


def test_a_champion_that_could_not_be_loaded_is_an_alarm_in_the_narrowest_head() -> None:
    known = flights.state()
    serving = msgspec.structs.replace(known.serving, stands_in="late: v1 answers for v3: no file")
    screen = Desk(msgspec.structs.replace(known, serving=serving)).screen
    assert "champion NOT LOADED" in text_of(watch(screen, 80, 24)[0])


def test_a_full_disk_is_said_in_both_lines_of_the_head_with_who_names_what_is_large() -> None:
    known = flights.state(flights.model(breach=None))
    engine = msgspec.structs.replace(known.engine, lacking="only 3 MiB are free")
    screen = Desk(msgspec.structs.replace(known, engine=engine)).screen
    head, situation = (text_of(drawn) for drawn in watch(screen, 80, 24)[:2])
    assert "disk FULL" in head
    assert "DISK FULL: only 3 MiB are free; cdml doctor" in situation
