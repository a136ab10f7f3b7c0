"""What keys do: a pure state machine driven by keys and monotonic time; answers.py has the rest.

A key is never an accident and never in the way: quiet before it, a window after it, the plan and
what was seen sent along, the truth looked at afterwards. Does nothing itself; it returns effects.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import get_args

from cdml_tui import travel, turning
from cdml_tui.effects import Fetch, Picture, Prove, Quit, Send, Step
from cdml_tui.screens.table import PAGES
from cdml_tui.state import (
    FRESH_S,
    Asking,
    Confirm,
    Explain,
    Intent,
    Outcome,
    Proving,
    Screen,
    Theme,
    Typing,
    Verb,
    Window,
    age_s,
    firing_of,
    link_of,
    looked_at,
    model_of,
    moved,
    running_of,
    undo_left_s,
)
from engine import wire

QUIET_S = 0.12
WINDOW_S = 0.8
CONFIRM_S = 5.0
SEEN_S = 1.0


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
    asked = screen.quit_asked
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
    if press.action in get_args(Verb):
        asked_for = _change_asked(screen, press, quiet=quiet)
        new = None if asked_for.bar is screen.bar else asked_for.bar
        return asked_for, (Send(new.intent),) if isinstance(new, Asking) else ()
    if press.action == "picture":
        return screen, (Picture(),)
    return _look(screen, press, quit_asked=asked)


def pasted(screen: Screen, at: float) -> Screen:
    """A paste never acts; like any key it stops what is pending."""
    screen = replace(screen, at=at, last_key=at)
    if isinstance(screen.bar, Window | Confirm):
        return _stopped(screen, "stopped by a paste; nothing was sent")
    return replace(screen, message="paste ignored: pasted text never acts")


def _look(screen: Screen, press: Press, *, quit_asked: bool) -> Step:
    match press.action:
        case "up" | "down" | "first" | "last" | "page_up" | "page_down" as way:
            return (turning.moved if screen.sheets else moved)(screen, way), ()
        case "open":
            return turning.entered(screen)
        case "model":
            return turning.model_changed(screen)
        case "back" | "quit" if (screen.sheets or screen.past) and not _open_end(screen):
            return turning.closed(screen) if screen.sheets else (travel.present(screen), ())
        case "reload":
            screen, asked = turning.asked_again(screen)
            message = "asked the engine for a fresh state"
            return replace(screen, message=message), (Fetch(), *asked)
        case "quit" if quit_asked:
            return screen, (Quit(),)
        case "quit":
            return replace(screen, quit_asked=True, message="press q again to leave"), ()
        case "back":
            return _closed(screen), ()
        case str(name) if name in travel.KEYS:
            return travel.KEYS[name](screen)
        case str(name) if name in PAGES:
            return turning.opened(screen, name)
        case name if name in _LOOKS:
            return _LOOKS[name](screen), ()
    return replace(screen, message=f"{press.key} does nothing here; ? shows the keys"), ()


def _open_end(screen: Screen) -> bool:
    """Say whether a change has no end yet, which Esc is for first."""
    return isinstance(screen.bar, Asking | Proving)


def _glyphs_switched(screen: Screen) -> Screen:
    return replace(screen, glyphs="ascii" if screen.glyphs == "unicode" else "unicode")


def _theme_switched(screen: Screen) -> Screen:
    themes = get_args(Theme)
    after = themes[(themes.index(screen.theme) + 1) % len(themes)]
    return replace(screen, theme=after, message=f"theme {after}")


_LOOKS: dict[str | None, Callable[[Screen], Screen]] = {
    "glyphs": _glyphs_switched,
    "theme": _theme_switched,
}


def _closed(screen: Screen) -> Screen:
    """Esc: stop watching an unknown or unproven change, or put the last line away."""
    match screen.bar:
        case Asking(intent=intent, unknown=why) if why:
            text = f"UNKNOWN whether the {intent.verb} of {intent.model} happened; stopped asking"
            return replace(screen, bar=None, outcome=Outcome("unknown", text))
        case Proving(to=to):
            text = f"UNPROVEN: stopped waiting for predictions by {to}"
            return replace(screen, bar=None, outcome=Outcome("unproven", text))
    return replace(screen, outcome=None)


# ---------------------------------------------------------------- a change is asked for


def _change_asked(screen: Screen, press: Press, *, quiet: bool) -> Screen:
    model = model_of(screen)
    refusal = _refusal(screen, quiet=quiet)
    if refusal:
        return replace(screen, message=f"{press.key} ignored: {refusal}")
    if screen.sheets:
        return _offer_asked(screen, press)
    if model is None:
        return replace(screen, message=f"{press.key} ignored: nothing is known of any model yet")
    match press.action:
        case "rollback":
            return _plan_asked(screen, model, "rollback", model.rollback, press)
        case "promote":
            return _promote_asked(screen, model, press)
        case "abort":
            return _abort_asked(screen, model, press)
        case "undo":
            return _undo_asked(screen, model, press)
        case "ack" | "mute" as verb:
            return _quiet_asked(screen, model, verb, press)
        case "train":
            intent = Intent("train", model.model, model.champion, None, press.token)
            return _confirming(screen, intent, "it takes the machine's time for a while")
    return replace(screen, message=f"{press.key} acts on a page: open one with 3, 6, 7 or 9")


def _refusal(screen: Screen, *, quiet: bool) -> str:
    """Say why no change can be asked for now, whatever it is; empty where one can."""
    if not quiet:
        return "another key came within 0.12 s before it; press it again"
    if screen.past is not None:
        return "this is a past moment; Esc returns to the present"
    if isinstance(screen.bar, Asking):
        return "the last change has no answer yet; Esc stops asking"
    if screen.snapshot is None:
        return "nothing is known of any model yet"
    if screen.snapshot.role == "viewer":
        return "your role here is viewer, which looks but changes nothing"
    return ""


def _offer_asked(screen: Screen, press: Press) -> Screen:
    """Ask for what a page offers: typed where that is wanted, else as its key must be meant."""
    offer = turning.offered(screen, press.action or "")
    if isinstance(offer, str):
        return replace(screen, message=f"{press.key} ignored: {offer}")
    intent = replace(offer, idempotency_key=press.token)
    if intent.wants:
        return replace(screen, bar=Typing(intent, intent.wants[0]), outcome=None)
    danger = next((k.danger for k in screen.keys if k.name == press.action), "C")
    if danger == "A":
        return replace(screen, bar=Asking(intent, screen.at), outcome=None)
    return _armed(screen, intent) if danger == "B" else _confirming(screen, intent, intent.careful)


def _promote_asked(screen: Screen, model: wire.ModelState, press: Press) -> Screen:
    version = screen.selected
    if version == model.champion:
        why = f"{version} is the champion already; select another version with j or k."
    elif version is None:
        why = "there is no version yet."
    elif version not in model.promote:
        row = next((r for r in model.versions if r.version == version), None)
        state = (row.state or row.fitness) if row else "gone"
        why = f"{version} cannot be promoted: it is {state}."
    else:
        return _plan_asked(screen, model, "promote", model.promote[version], press)
    return replace(screen, bar=Explain(f"Promote {model.model}", (why,)))


def _plan_asked(
    screen: Screen, model: wire.ModelState, verb: Verb, plan: wire.Plan, press: Press
) -> Screen:
    intent = Intent(verb, model.model, model.champion, plan.to, press.token, plan=plan)
    if plan.ready and plan.to is not None:
        return _armed(screen, intent)
    # A rollback past a failed check is not offered here: its command line asks for more. Past a
    # pin it is: the plan names the pin as the guard to override.
    if plan.overrides and plan.to is not None:
        intent = replace(intent, override=tuple(plan.overrides))
        return replace(screen, bar=Typing(intent), outcome=None)
    failed = tuple(f"{c.name}: {c.found}" for c in plan.checks if not c.ok)
    why = plan.why or "the engine gave no reason."
    named = "Roll back" if verb == "rollback" else "Promote"
    return replace(screen, bar=Explain(f"{named} {model.model}: not ready", (why, *failed)))


def _abort_asked(screen: Screen, model: wire.ModelState, press: Press) -> Screen:
    row = running_of(model)
    if row is None:
        why = ("neither a canary nor a shadow runs.", "R takes the champion back.")
        return replace(screen, bar=Explain(f"Stop the rollout of {model.model}", why))
    return _armed(screen, Intent("abort", model.model, model.champion, row.version, press.token))


def _undo_asked(screen: Screen, model: wire.ModelState, press: Press) -> Screen:
    if undo_left_s(screen) <= 0.0:
        return replace(
            screen,
            bar=Explain(
                f"Undo {model.model}",
                ("there is no change of the last 60 s to take back.", "R rolls back, P promotes."),
            ),
        )
    what = model.undo_of
    intent = Intent("undo", model.model, model.champion, None, press.token, reason=what or "")
    return _armed(screen, intent)


def _quiet_asked(screen: Screen, model: wire.ModelState, verb: Verb, press: Press) -> Screen:
    alert = firing_of(model)
    if alert is None:
        why = ("no alert fires.", "cdml alerts --all shows those that are quiet or over.")
        return replace(screen, bar=Explain(f"Quiet an alert of {model.model}", why))
    intent = Intent(verb, model.model, model.champion, None, press.token, alert=alert)
    return _armed(screen, intent)


def _armed(screen: Screen, intent: Intent) -> Screen:
    """Give the key the strength that the situation asks for: B where all is as seen, else C."""
    why = surprise(screen, intent.verb)
    if why:
        return _confirming(screen, intent, why)
    return replace(screen, bar=Window(intent, screen.at + WINDOW_S), outcome=None)


def surprise(screen: Screen, verb: Verb) -> str:
    """Say what about the screen makes a key surprising now; empty where nothing does."""
    link = link_of(screen)
    if link == "lost":
        return f"the engine does not answer; what you see is {age_s(screen):.0f} s old"
    if link != "live":
        return f"nothing was heard for {age_s(screen):.0f} s (limit {FRESH_S:.0f})"
    if verb in ("ack", "mute"):
        return ""  # the bar names the alert, and nothing of it moves anybody
    if screen.sheets and screen.at - screen.sheets[-1].opened < SEEN_S:
        return "this page has been open for less than 1 s"
    known = {"promote": screen.selected_seen, "abort": screen.running_seen}
    seen = known.get(verb, screen.target_seen)
    if screen.at - seen.since < SEEN_S:
        return "this target has been on the screen for less than 1 s"
    return ""


def _confirming(screen: Screen, intent: Intent, why: str) -> Screen:
    return replace(screen, bar=Confirm(intent, screen.at + CONFIRM_S, why), outcome=None)


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
    intent, text = typing.intent, typing.text.strip()
    if typing.stage == "version":
        wanted = intent.word or intent.to
        if text != wanted:
            said = f"stopped: typed {text!r}, needed {wanted!r}; nothing was sent"
            return _stopped(screen, said), ()
        return replace(screen, bar=replace(typing, stage="reason", text="")), ()
    if not text:
        what = "a note" if typing.stage == "note" else "a reason"
        return replace(screen, message=f"{what} is needed; Esc stops"), ()
    return _sent(screen, replace(intent, reason=text))


def _stopped(screen: Screen, text: str) -> Screen:
    return replace(screen, bar=None, message=text)


def _sent(screen: Screen, intent: Intent) -> Step:
    return replace(screen, bar=Asking(intent, screen.at), outcome=None), (Send(intent),)


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
