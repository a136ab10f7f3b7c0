"""Cases 28 and 29: a console in a real terminal loses its engine, at rest and in a change."""

import re
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

from engine.wire import AuditQuestion, Change
from tests.box import Box, copied, eventually
from tests.console.pseudo_terminal import PseudoTerminal
from tests.faults.kills import points
from tests.faults.outcome import Case, Outcome
from tests.faults.scene import AGAIN, Inside, watched

LIVE = "feed live"
LOST = "engine LOST"
# A target that has been on the screen for a second arms the key.
ARMED_S = 1.2
PATIENCE_S = 30.0
CUTS_S = (0.5, 3.0, 8.0)


def watch(
    terminal: PseudoTerminal,
    until: Callable[[str], bool],
    each: Callable[[str], None] = lambda _: None,
) -> float:
    """Look at every screen until one is as wanted; return when that was."""
    ends = time.monotonic() + PATIENCE_S
    while not until(terminal.text):
        assert time.monotonic() < ends, f"not as wanted:\n{terminal.text}"
        each(terminal.text)
        terminal.read(0.02)
    return time.monotonic()


def watch_for(
    terminal: PseudoTerminal, seconds: float, each: Callable[[str], None] = lambda _: None
) -> None:
    """Look at every screen for some time."""
    ends = time.monotonic() + seconds
    watch(terminal, lambda _: time.monotonic() > ends, each)


def leads(version: str, text: str) -> bool:
    """Say whether a screen shows a version as the champion of now."""
    return LIVE in text and re.search(rf"\b{version}\s+champion", text) is not None


def end_engine(box: Box) -> float:
    """Kill the engine and whoever would start it again; return when it was struck."""
    box.kill("supervise")
    struck = time.monotonic()
    box.kill("run")
    return struck


class Return(threading.Thread):
    """Starts the engine again, and knows since when it answers."""

    def __init__(self, box: Box) -> None:
        super().__init__(daemon=True)
        self.at = 0.0
        self._box = box

    def run(self) -> None:
        starting = threading.Thread(target=self._box.up, daemon=True)
        starting.start()
        eventually("the engine answers", self._box.answers)
        self.at = time.monotonic()
        starting.join(PATIENCE_S)


# ------------------------------------------------------------------------------ at rest


def without_its_engine(stock: Path, folder: Path) -> Outcome:
    """Kill the engine under an open console, change the world, and bring it back."""
    outcome = Outcome("28", "engine killed with the console open")
    marked, back = list[float](), list[float]()
    with copied(stock, folder / "box") as box:
        box.up()
        with PseudoTerminal(box.control.socket) as terminal:
            for cut_s in CUTS_S:
                change = Change(uuid.uuid4().hex, to="v2", reason="again", override=AGAIN)
                box.control.change("promote", "late", change)
                watch(terminal, partial(leads, "v2"))
                _cut(box, terminal, cut_s, outcome, marked, back)
    outcome.goal("marked after s, longest", max(marked), at_most=2)
    outcome.goal("live again after s, longest", max(back), at_most=3)
    outcome.figures["cuts s"] = " ".join(f"{s:g}" for s in CUTS_S)
    return outcome


def _cut(
    box: Box,
    terminal: PseudoTerminal,
    cut_s: float,
    outcome: Outcome,
    marked: list[float],
    back: list[float],
) -> None:
    """Cut once: v1 leads when it is over, and no screen may show v2 as of now until then."""
    stale: list[str] = []

    def look(text: str) -> None:
        if LIVE in text and not leads("v1", text):
            stale.append("a former state was shown as live")

    killed = end_engine(box)
    marked.append(watch(terminal, lambda text: LOST in text) - killed)
    taken_back = threading.Thread(target=box.run, args=("rollback", "late", "--offline"))
    taken_back.start()
    watch_for(terminal, cut_s, look)
    taken_back.join(PATIENCE_S)
    returning = Return(box)
    returning.start()
    shown = watch(terminal, lambda text: LIVE in text, look)
    terminal.read(0.1)  # the rest of the same screen
    look(terminal.text)
    returning.join(PATIENCE_S)
    back.append(shown - returning.at)
    outcome.struck(stale[:1])


# --------------------------------------------------------------------------- in a change


def in_a_change(stock: Path, folder: Path) -> Outcome:
    """Kill the engine just before and just after it commits a promotion that a key asked for."""
    outcome = Outcome("29", "promote during the cut")
    resolved = list[float]()
    folder.mkdir()
    for number, (when, supervised) in enumerate((("before", True), ("after", False))):
        with watched(stock, folder / str(number)) as (box, inside):
            wrong, took = _lost_answer(box, inside, when, supervised=supervised)
            outcome.struck(wrong)
            resolved.append(took)
            if not supervised:
                outcome.struck(_never_sent(box))
    outcome.figures["resolved after s, longest"] = max(resolved)
    return outcome


def _lost_answer(
    box: Box, inside: Inside, when: str, *, supervised: bool
) -> tuple[list[str], float]:
    """Press P and have the engine die of it; say what is wrong, and how long it was unknown."""
    box.up()
    point = _promoting(box, inside, when)
    before = _promotions(box)
    with PseudoTerminal(box.control.socket) as terminal:
        _select(terminal, "v2")
        if not supervised:
            box.kill("supervise")
        inside.strike("kill", point=point)
        terminal.press("P")
        unknown = watch(terminal, lambda text: "UNKNOWN for" in text)
        struck = inside.struck()
        inside.leave()
        if not supervised:
            watch_for(terminal, 3.0)
            Return(box).start()
        done = watch(terminal, lambda text: "v2 serving" in text or "NOTHING CHANGED" in text)
        watch(terminal, partial(leads, "v2"))
    made = _promotions(box) - before
    wrong = [] if struck else [f"the engine was not struck {when} its commit"]
    wrong += [] if made == 1 else [f"{made} promotions {when} the commit"]
    wrong += [] if box.champion() == "v2" else ["v2 does not lead"]
    return wrong, done - unknown


def _never_sent(box: Box) -> list[str]:
    """Press a key while there is no engine: it is known that nothing was sent."""
    change = Change(uuid.uuid4().hex, reason="as before")
    box.hang_up()
    box.control.change("undo", "late", change)
    with PseudoTerminal(box.control.socket) as terminal:
        _select(terminal, "v2")
        end_engine(box)
        watch(terminal, lambda text: LOST in text)
        terminal.press("P")
        watch(terminal, lambda text: "waits" in text and "for y" in text)
        watch_for(terminal, 0.3)
        terminal.press("y")
        watch(terminal, lambda text: "NOT SENT" in text)
        Return(box).start()
        watch(terminal, partial(leads, "v1"))
    return [] if box.champion() == "v1" else ["what was not sent was done"]


def _promoting(box: Box, inside: Inside, when: str) -> str:
    """Promote and undo once, so as to know by what name the commit goes."""
    box.control.change("promote", "late", Change(uuid.uuid4().hex, to="v2", reason="once"))
    box.control.change("undo", "late", Change(uuid.uuid4().hex, reason="once"))
    wanted = f"run {when} commit ledger"
    return next(p for p in points(inside) if p.startswith(wanted) and "promote.promote" in p)


def _promotions(box: Box) -> int:
    entries = box.control.audit(1000, AuditQuestion()).entries
    return sum(entry.action == "promote" for entry in entries)


def _select(terminal: PseudoTerminal, version: str) -> None:
    """Walk down the list to a version, and look at it long enough."""
    watch(terminal, lambda text: LIVE in text)
    for _ in range(3):
        if re.search(rf"> {version} ", terminal.text):
            break
        terminal.press("j")
        watch_for(terminal, 0.3)
    watch(terminal, lambda text: f"> {version} " in text)
    watch_for(terminal, ARMED_S)


CASES: dict[str, Case] = {"28": without_its_engine, "29": in_a_change}
