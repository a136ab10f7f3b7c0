"""What keys do: a pure state machine driven by keys and monotonic time; answers.py has the rest.

A key is never an accident and never in the way: quiet before it, a window after it, the plan and
what was seen sent along, the truth looked at afterwards. Does nothing itself; it returns effects.
"""

from dataclasses import dataclass, replace
from typing import cast, get_args

from cdml_tui import looks, strength, turning, typed_line
from cdml_tui.effects import Prove, Send, Step
from cdml_tui.panes.bar import same_as
from cdml_tui.pausing import resumed
from cdml_tui.prompt import Prompt
from cdml_tui.state import (
    Asking,
    Confirm,
    Explain,
    Intent,
    Proving,
    Screen,
    Typing,
    Verb,
    Window,
    looked_at,
)

QUIET_S = 0.12


@dataclass(frozen=True, slots=True)
class Press:
    """One key press: its name, what it would type, the action it means.

    `at` is when the terminal delivered it, which tells a burst from honest keys; `handled` is when
    the console came to it, from which on the operator can see what it does.
    """

    key: str
    at: float
    action: str | None = None
    character: str = ""
    token: str = ""
    handled: float = 0.0


# ---------------------------------------------------------------- keys


def pressed(screen: Screen, press: Press) -> Step:
    """Return what a key press makes of the screen, and what is to be done."""
    quiet = press.at - screen.last_key >= QUIET_S
    was_asked = screen.quit_asked
    now = max(press.at, press.handled)
    screen = replace(screen, at=now, last_key=press.at, message="", quit_asked=False)
    match screen.bar:
        case Window():
            return _stopped(screen, "stopped; nothing was sent"), ()
        case Confirm(intent=intent):
            if press.key == "y" and quiet:
                return _sent(screen, intent)
            return _stopped(screen, "stopped; nothing was sent"), ()
        case Typing() as typing:
            return _typed(screen, typing, press, quiet=quiet)
        case Explain():
            return replace(screen, bar=None), ()
        case Prompt() as prompt:
            return _line(screen, prompt, press, quiet=quiet)
    return _acted(screen, press.action, press, quiet=quiet, quit_asked=was_asked)


def _acted(
    screen: Screen, action: str | None, press: Press, *, quiet: bool, quit_asked: bool = False
) -> Step:
    if action in get_args(Verb):
        if not quiet:
            said = f"{press.key} ignored: another key came within 0.12 s before it; press it again"
            return replace(screen, message=said), ()
        asked = strength.asked(screen, cast(Verb, action), press.token)
        new = None if asked.bar is screen.bar else asked.bar
        return asked, (Send(new.intent),) if isinstance(new, Asking) else ()
    return looks.done(screen, action, press.key, quit_asked=quit_asked)


def _line(screen: Screen, prompt: Prompt, press: Press, *, quiet: bool) -> Step:
    """Edit the line, or have done what it says; an action that was found is done as by its key."""
    step, action = typed_line.pressed(screen, prompt, press.key, press.character, press.token)
    if action is None:
        return step
    return _acted(step[0], action, press, quiet=quiet)


def pasted(screen: Screen, at: float, text: str = "") -> Screen:
    """A paste never acts; like any key it stops what is pending. A line takes it in, and waits."""
    screen = replace(screen, at=at, last_key=at)
    if isinstance(screen.bar, Prompt):
        return typed_line.pasted(screen, screen.bar, text)
    if isinstance(screen.bar, Window | Confirm):
        return _stopped(screen, "stopped by a paste; nothing was sent")
    return replace(screen, message="paste ignored: pasted text never acts")


# ---------------------------------------------------------------- what is typed


def _typed(screen: Screen, typing: Typing, press: Press, *, quiet: bool) -> Step:
    if press.key == "escape":
        return _stopped(screen, "stopped; nothing was sent"), ()
    if press.key == "backspace":
        return replace(screen, bar=replace(typing, text=typing.text[:-1])), ()
    if press.key == "enter":
        return _entered(screen, typing) if quiet else (screen, ())
    if len(press.character) == 1 and press.character.isprintable() and len(typing.text) < 200:
        return replace(screen, bar=replace(typing, text=typing.text + press.character)), ()
    return screen, ()


def _entered(screen: Screen, typing: Typing) -> Step:
    text = typing.text.strip()
    if typing.stage in ("version", "name"):
        needed = typing.needed or typing.intent.word or typing.intent.to
        if text != needed:
            said = f"stopped: typed {text!r}, needed {needed!r}; nothing was sent"
            return _stopped(screen, said), ()
        if typing.stage == "name" or "--reason" in typing.intent.words:
            return _sent(screen, typing.intent)
        return replace(screen, bar=replace(typing, stage="reason", text="")), ()
    if not text:
        what = "a note" if typing.stage == "note" else "a reason"
        return replace(screen, message=f"{what} is needed; Esc stops"), ()
    words = typing.intent.words and (*typing.intent.words, "--reason", text)
    return _sent(screen, replace(typing.intent, reason=text, words=words))


def _stopped(screen: Screen, text: str) -> Screen:
    return replace(screen, bar=None, message=text)


def _sent(screen: Screen, intent: Intent) -> Step:
    # What comes of it is looked at as it is: a change ends a pause.
    screen = resumed(screen) if screen.paused is not None else screen
    screen = replace(screen, bar=Asking(intent, screen.at), outcome=None)
    return replace(screen, last_words=same_as(screen, intent)), (Send(intent),)


# ---------------------------------------------------------------- time


def ticked(screen: Screen, at: float) -> Step:
    """Let time pass: fire what is due, ask again what is open, let prompts lapse."""
    screen = looked_at(replace(screen, at=max(at, screen.at)))
    match screen.bar:
        case None:
            return turning.due(screen)
        case Window(intent=intent, fires_at=due) if at >= due:
            return _sent(screen, intent)
        case Confirm(until=until) if at >= until:
            return _stopped(screen, "stopped: no y came within 5 s; nothing was sent"), ()
        case Asking(intent=intent, retry=float(due), tries=tries) as bar if at >= due:
            again = replace(bar, tries=tries + 1, retry=None)
            return replace(screen, bar=again), (Send(intent),)
        case Proving(retry=float(due), generation=generation, intent=intent) as bar if at >= due:
            return replace(screen, bar=replace(bar, retry=None)), (Prove(intent.model, generation),)
    return screen, ()


def next_tick_s(screen: Screen) -> float:
    """Return how long nothing can happen by time alone."""
    match screen.bar:
        case Window(fires_at=due):
            # A little late, so that a key delivered in the last moment is still before it.
            return min(0.1, max(0.0, due - screen.at) + 0.02)
        case Asking() | Proving():
            return 0.1
    return 1.0
