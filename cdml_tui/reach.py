"""What a key means where the operator stands, and why it cannot work now. Pure."""

from typing import get_args

from cdml_tui.keyhelp import KeyHelp
from cdml_tui.state import Screen, Verb, firing_of, model_of, running_of, undo_left_s
from engine import wire

BASE = "base"
# Where the rows of what is open are filtered; it comes on top of the page.
FILTERED = "filtered"


def place_of(screen: Screen) -> str:
    """Name where the operator stands: the base screen, or the page that is open."""
    return screen.sheets[-1].subject.page if screen.sheets else BASE


def action_for(screen: Screen, key: str) -> KeyHelp | None:
    """Return what a key means here: an action of this very place comes before a general one."""
    meant = [k for k in screen.keys if key in k.presses]
    here = _places(screen)
    for fits in (
        [k for k in meant if here & set(k.on)],
        [k for k in meant if not k.on],
        meant,
    ):
        if fits:
            return fits[0]
    return None


def key_of(screen: Screen, name: str) -> str:
    """Return the key of an action as a person would write it."""
    return next((k.keys[0] for k in screen.keys if k.name == name and k.keys), "?")


def ways(screen: Screen) -> str:
    """Name the two keys that select another row."""
    return f"{key_of(screen, 'down')} and {key_of(screen, 'up')}"


def works(screen: Screen, name: str) -> bool:
    """Say whether a key would do more now than explain why it cannot."""
    return not why_not(screen, name)


def why_not(screen: Screen, name: str) -> str:
    """Say why an action cannot be done now; empty where it can."""
    row = next((k for k in screen.keys if k.name == name), None)
    changes = name in get_args(Verb) or (row is not None and row.danger != "A")
    if changes and is_viewer(screen):
        return "your role here is viewer, which looks but changes nothing"
    if where := misplaced(screen, name):
        return where
    if name in get_args(Verb):
        # What a page offers it says itself.
        return "" if row is not None and row.on else _no_change(screen, name)
    return _no_look(screen, name)


def misplaced(screen: Screen, name: str) -> str:
    """Say where an action works, if it does not work where the operator stands."""
    row = next((k for k in screen.keys if k.name == name), None)
    if row is None or not row.on or _places(screen) & set(row.on):
        return ""
    if FILTERED in row.on:
        return "no rows are filtered here"
    return f"it acts on a page: {' or '.join(row.on)}"


def is_viewer(screen: Screen) -> bool:
    """Say whether this console may only look."""
    return screen.snapshot is not None and screen.snapshot.role == "viewer"


def covered(screen: Screen) -> str:
    """Say what hides the versions that a change would be about; empty where nothing does."""
    if screen.past is not None:
        return f"this is a past moment; {key_of(screen, 'back')} returns to the present"
    if screen.sheets:
        return "close this page first, to see what it would do"
    if screen.zoomed and screen.focus != "versions":
        return (
            f"make the pane small again first ({key_of(screen, 'zoom')}), to see what it would do"
        )
    return ""


def plan_of(screen: Screen, model: wire.ModelState, verb: str) -> wire.Plan | None:
    """Return what the engine says the rollback key or the promote key would do."""
    return model.rollback if verb == "rollback" else model.promote.get(screen.selected or "")


def _places(screen: Screen) -> set[str]:
    places = {place_of(screen)}
    if screen.sheets[-1].filter if screen.sheets else screen.filters:
        places.add(FILTERED)
    return places


def _no_look(screen: Screen, name: str) -> str:
    state = screen.snapshot
    match name:
        case "model" if state is not None and len(state.models) < 2:
            return "there is only this model" if state.models else "no models yet"
        case "mark" if not screen.sheets and screen.selected is None:
            return "there is no version yet"
        case "zoom" | "next_pane" | "last_pane" if screen.sheets:
            return "a page is open; it has the whole screen already"
        case "note":
            return _no_note(screen)
    return ""


def _no_note(screen: Screen) -> str:
    model = model_of(screen)
    if is_viewer(screen):
        return "your role here is viewer, which looks but changes nothing"
    return "nothing is known of any model yet" if model is None else ""


def _no_change(screen: Screen, verb: str) -> str:
    if hidden := covered(screen):
        return hidden
    model = model_of(screen)
    if model is None or screen.snapshot is None:
        return _no_model(screen)
    match verb:
        case "abort" if running_of(model) is None:
            return "neither a canary nor a shadow runs"
        case "undo" if undo_left_s(screen) <= 0.0:
            return "there is no change of the last 60 s to take back"
        case "ack" | "mute" if firing_of(model) is None:
            return "no alert fires"
        case "promote":
            return _no_promotion(screen, model)
        case "rollback":
            return _no_plan(model.rollback)
    return ""


def _no_model(screen: Screen) -> str:
    if screen.snapshot is not None and not screen.snapshot.models:
        return "there is no model in this workspace yet"
    return "nothing is known of any model yet"


def _no_promotion(screen: Screen, model: wire.ModelState) -> str:
    version = screen.selected
    if version is None:
        return "there is no version yet"
    if version == model.champion:
        return f"{version} is the champion already; {ways(screen)} select another version"
    if version not in model.promote:
        row = next((r for r in model.versions if r.version == version), None)
        return (
            f"{version} cannot be promoted: it is {(row.state or row.fitness) if row else 'gone'}"
        )
    return _no_plan(model.promote[version])


def _no_plan(plan: wire.Plan) -> str:
    if plan.to is not None and (plan.ready or plan.overrides):
        return ""
    return plan.why or "the engine gave no reason"
