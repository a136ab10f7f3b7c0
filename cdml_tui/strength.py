"""How much a change must be meant: one key, a `y`, a typed version or name. Pure.

The strength follows the situation: what the engine has proven, what was seen, how fresh it is.
"""

from dataclasses import replace

from cdml_tui import turning
from cdml_tui.panes.layout import SHORT
from cdml_tui.reach import covered, is_viewer, key_of, misplaced, plan_of, why_not
from cdml_tui.state import (
    FRESH_S,
    Asking,
    Confirm,
    Explain,
    Intent,
    Screen,
    Typing,
    Verb,
    Window,
    age_s,
    firing_of,
    link_of,
    model_of,
    running_of,
)
from engine import wire

WINDOW_S = 0.8
CONFIRM_S = 5.0
SEEN_S = 1.0

_TITLES: dict[Verb, str] = {
    "rollback": "Roll back {model}: not ready",
    "promote": "Promote {model}",
    "abort": "Stop the rollout of {model}",
    "undo": "Undo {model}",
    "ack": "Quiet an alert of {model}",
    "mute": "Quiet an alert of {model}",
}


def asked(screen: Screen, verb: Verb, token: str, *, reason: str = "") -> Screen:
    """Ask for a change of what is shown, as strongly as it must be meant now, or say why not."""
    model = model_of(screen)
    if screen.sheets and screen.past is None and not is_viewer(screen):
        return _offered(screen, verb, token)
    why = why_not(screen, verb)
    if isinstance(screen.bar, Asking):
        why = "the last change has no answer yet; Esc stops asking"
    held = is_viewer(screen) or isinstance(screen.bar, Asking)
    if model is None or covered(screen) or held or misplaced(screen, verb):
        return replace(screen, message=f"{_said(screen, verb)} ignored: {why}")
    if why:
        return replace(screen, bar=Explain(*_explained(screen, model, verb, why)))
    intent = _intent(screen, model, verb, token, reason)
    if verb == "train":
        return confirming(screen, intent, "it takes the machine's time for a while")
    plan = intent.plan
    if plan is not None and not plan.ready:
        # Past a guard that the plan names, as a failed gate or a pin. What its checks found to be
        # broken has no guard to override: only the command line goes there.
        return typing(screen, replace(intent, override=tuple(plan.overrides)))
    return armed(screen, intent)


def _offered(screen: Screen, verb: Verb, token: str) -> Screen:
    """Ask for what a page offers: typed where that is wanted, else as its key must be meant."""
    offer: Intent | str = "the last change has no answer yet; Esc stops asking"
    if not isinstance(screen.bar, Asking):
        offer = turning.offered(screen, verb)
    if isinstance(offer, str):
        return replace(screen, message=f"{key_of(screen, verb)} ignored: {offer}")
    intent = replace(offer, idempotency_key=token)
    if intent.wants:
        return replace(screen, bar=Typing(intent, intent.wants[0]), outcome=None)
    danger = next((k.danger for k in screen.keys if k.name == verb), "C")
    if danger == "A":
        return replace(screen, bar=Asking(intent, screen.at), outcome=None)
    return armed(screen, intent) if danger == "B" else confirming(screen, intent, intent.careful)


def _intent(screen: Screen, model: wire.ModelState, verb: Verb, token: str, reason: str) -> Intent:
    intent = Intent(verb, model.model, model.champion, None, token, reason=reason)
    match verb:
        case "rollback" | "promote":
            plan = plan_of(screen, model, verb)
            return replace(intent, plan=plan, to=plan.to if plan else None)
        case "abort":
            row = running_of(model)
            return replace(intent, to=row.version if row else None)
        case "undo":
            return replace(intent, reason=model.undo_of or "")
        case "ack" | "mute":
            return replace(intent, alert=firing_of(model))
    return intent


def _explained(
    screen: Screen, model: wire.ModelState, verb: Verb, why: str
) -> tuple[str, tuple[str, ...]]:
    title = _TITLES.get(verb, "{model}").format(model=model.model)
    more: tuple[str, ...] = ()
    back, forth = key_of(screen, "rollback"), key_of(screen, "promote")
    match verb:
        case "rollback" | "promote":
            plan = plan_of(screen, model, verb)
            more = tuple(f"{c.name}: {c.found}" for c in plan.checks if not c.ok) if plan else ()
            if plan is not None and verb == "promote":
                title += ": not ready"
        case "abort":
            more = (f"{back} takes the champion back.",)
        case "undo":
            more = (f"{back} rolls back, {forth} promotes.",)
        case "ack" | "mute":
            more = ("cdml alerts --all shows those that are quiet or over.",)
    return title, (why if why.endswith(".") else f"{why}.", *more)


def _said(screen: Screen, verb: Verb) -> str:
    return key_of(screen, verb)


# ---------------------------------------------------------------- the classes


def armed(screen: Screen, intent: Intent) -> Screen:
    """Give a reversible change the strength that the situation asks for: B as seen, else C."""
    why = surprise(screen, intent.verb)
    if why:
        return confirming(screen, intent, why)
    return replace(screen, bar=Window(intent, screen.at + WINDOW_S), outcome=None)


def confirming(screen: Screen, intent: Intent, why: str) -> Screen:
    """Class C: y within 5 s."""
    return replace(screen, bar=Confirm(intent, screen.at + CONFIRM_S, why), outcome=None)


def typing(screen: Screen, intent: Intent) -> Screen:
    """Class D: the version, or the model where there is none, then a reason."""
    needed = intent.to or intent.model
    return replace(screen, bar=Typing(intent, needed=needed), outcome=None)


def naming(screen: Screen, intent: Intent) -> Screen:
    """Class E, no way back: the name of the model."""
    return replace(screen, bar=Typing(intent, "name", needed=intent.model), outcome=None)


def surprise(screen: Screen, verb: Verb) -> str:
    """Say what about the screen makes a key surprising now; empty where nothing does."""
    link = link_of(screen)
    if link == "lost":
        return f"the engine does not answer; what you see is {age_s(screen):.0f} s old"
    if link != "live":
        return f"nothing was heard for {age_s(screen):.0f} s (limit {FRESH_S:.0f})"
    if verb in ("ack", "mute"):
        return ""  # the bar names the alert, and nothing of it moves anybody
    if screen.paused is not None:
        return f"the screen is paused and shows what was {screen.at - screen.paused:.0f} s ago"
    if screen.sheets and screen.at - screen.sheets[-1].opened < SEEN_S:
        return "this page has been open for less than 1 s"
    if screen.sheets:
        return ""
    if screen.height < SHORT and verb in ("promote", "abort"):
        return "this terminal is too low to show the version that it is about"
    known = {"promote": screen.selected_seen, "abort": screen.running_seen}
    seen = known.get(verb, screen.target_seen)
    if screen.at - seen.since < SEEN_S:
        return "this target has been on the screen for less than 1 s"
    return ""
