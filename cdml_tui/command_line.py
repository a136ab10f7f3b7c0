"""What a line of the console's command line means: a look, a key's own change, another. Pure.

The verbs are those of the one-shot commands. A look opens a page with what the verb writes; a
change goes the way its key goes, or, where it has none, is confirmed as its class of danger asks.
"""

import shlex
from dataclasses import replace
from difflib import get_close_matches
from typing import get_args

from cdml_tui import strength
from cdml_tui.keyhelp import VerbHelp
from cdml_tui.reach import covered, is_viewer
from cdml_tui.state import Intent, Screen, Verb, firing_of, looked_at, model_of
from engine import wire

HISTORY = 200
# What takes a guard away asks for the version and a reason, whatever the verb.
_FORCES = ("--override", "--override-freeze", "--no-way-back", "--attack", "--offline")
_WORKSPACE = ("-w", "--workspace")


def words_of(text: str) -> list[str] | str:
    """Split a line as a shell does, or say why it cannot be split; `cdml` before it is dropped."""
    try:
        words = shlex.split(text)
    except ValueError as e:
        return f"this line cannot be read: {str(e).lower()}"
    return words[1:] if words[:1] == ["cdml"] else words


def refusal(screen: Screen, words: list[str]) -> str:
    """Say why a line cannot be carried out here; empty where it can."""
    verb = verb_of(screen, words)
    if verb is None:
        names = [v.name for v in screen.verbs] + [k.name for k in screen.keys]
        close = get_close_matches(words[0], names, n=1, cutoff=0.5)
        hint = f'; the nearest is "{close[0]}"' if close else "; Tab shows the verbs"
        return f'there is no verb "{words[0][:40]}"{hint}'
    flags = {word.partition("=")[0] for word in words[1:]}
    if verb.elsewhere:
        return f"{verb.name} {verb.elsewhere}"
    if any(word.startswith(_WORKSPACE) for word in words[1:]):
        return "this console shows one workspace; leave it to name another with -w"
    if flags & {"--follow", "--foreground", "--wait"}:
        return f"{words[0]} does not end by itself with that; the screen follows, or use a shell"
    if danger_of(verb, words) != "A" and is_viewer(screen):
        return "your role here is viewer, which looks but changes nothing"
    return ""


def verb_of(screen: Screen, words: list[str]) -> VerbHelp | None:
    """Return the verb that a line begins with."""
    return next((v for v in screen.verbs if words and v.name == words[0]), None)


def danger_of(verb: VerbHelp, words: list[str]) -> str:
    """Return the class of danger of a line, by its verb and what stands beside it."""
    beside = {word.partition("=")[0] for word in words[1:]}
    if {"-h", "--help"} & beside or set(verb.looks_with) & beside:
        return "A"
    if verb.changes_with and not set(verb.changes_with) & beside:
        return "A"
    if verb.danger in ("B", "C") and set(_FORCES) & beside:
        return "D"
    return verb.danger


def changed(screen: Screen, words: list[str], token: str) -> Screen:
    """Ask for a change: as its key does where the line says no more than the key, else by class."""
    if (hidden := covered(screen)) and _key_of(words):
        return replace(screen, message=f"not done: {hidden}")
    turned = _as_key(screen, words)
    if turned is not None:
        there, verb, reason = turned
        return strength.asked(there, verb, token, reason=reason)
    verb_help = verb_of(screen, words)
    danger = danger_of(verb_help, words) if verb_help else "C"
    intent = _intent(screen, words, verb_help, token)
    match danger:
        case "D":
            return strength.typing(screen, intent)
        case "E":
            return strength.naming(screen, intent)
    return strength.confirming(screen, intent, "no plan of it was on the screen before")


def completions(screen: Screen, text: str) -> list[str]:
    """Return what the last word of a line may become."""
    before = text.split(" ")[:-1]
    before = before[1:] if before[:1] == ["cdml"] else before
    if not before:
        return [v.name for v in screen.verbs if not v.elsewhere]
    verb = verb_of(screen, before)
    if verb is None:
        return []
    if text.rpartition(" ")[2].startswith("-"):
        return [f"--{option}" for option in verb.options]
    return _values(screen, verb, before)


def remembered(screen: Screen, text: str) -> Screen:
    """Keep a line in the history, the newest last, without the same one twice."""
    kept = tuple(line for line in screen.history if line != text)
    return replace(screen, history=(*kept, text)[-HISTORY:])


# ---------------------------------------------------------------- completion


def _values(screen: Screen, verb: VerbHelp, before: list[str]) -> list[str]:
    state = screen.snapshot
    if state is None:
        return []
    named = [m for m in state.models if m.model in before]
    model = named[0] if named else model_of(screen)
    versions = [row.version for row in model.versions] if model else []
    if before[-1].startswith("--"):
        takes = before[-1] in ("--to", "--expect", "--version")
        return versions if takes else []
    found = {word for word in _plain(verb.words) if word.islower()}
    if "MODEL" in verb.words and not named:
        found |= {m.model for m in state.models}
    if "VERSION" in verb.words or " A B" in verb.words:
        found |= set(versions)
    if verb.words == "ID":
        found |= {job.id for job in state.jobs}
    elif "ID" in verb.words and model is not None:
        found |= {str(alert.number) for alert in model.alerts}
    if "[N]" in verb.words and model is not None and model.incident is not None:
        found.add(str(model.incident))
    return sorted(found - set(before))


def _plain(words: str) -> list[str]:
    return words.replace("[", " ").replace("]", " ").replace("|", " ").split()


# ---------------------------------------------------------------- the way of a key


def _key_of(words: list[str]) -> Verb | None:
    name = words[1] if words[0] == "alert" and len(words) > 1 else words[0]
    return name if name in get_args(Verb) and name != "words" else None  # type: ignore[return-value]


def _as_key(screen: Screen, words: list[str]) -> tuple[Screen, Verb, str] | None:
    """Turn a line into the screen on which its key does the same; None where no key does."""
    verb, rest, reason = _key_of(words), words[1:], ""
    if verb is None:
        return None
    if "--reason" in rest[:-1]:
        at = rest.index("--reason")
        reason, rest = rest[at + 1], rest[:at] + rest[at + 2 :]
    if any(word.startswith("-") for word in rest):
        return None
    if words[0] == "alert":
        shown = model_of(screen)
        alert = firing_of(shown) if shown else None
        known = alert is not None and rest[1:] == [str(alert.number)] and not reason
        return (screen, verb, "") if known else None
    return _turned(screen, verb, rest, reason)


def _turned(
    screen: Screen, verb: Verb, rest: list[str], reason: str
) -> tuple[Screen, Verb, str] | None:
    models = {m.model: m for m in (screen.snapshot.models if screen.snapshot else [])}
    model = model_of(screen)
    if rest and rest[0] in models:
        model, rest = models[rest[0]], rest[1:]
    if model is None or len(rest) > (verb == "promote"):
        return None
    if verb in ("train", "undo") and reason:
        return None  # their keys carry none
    if model.model != screen.model:
        screen = looked_at(replace(screen, model=model.model, selected=None, marks=(), filters=()))
    if rest:
        if rest[0] not in {row.version for row in model.versions}:
            return None
        screen = looked_at(replace(screen, selected=rest[0], filters=()))
    return screen, verb, reason


# ---------------------------------------------------------------- a change without a key


def _intent(screen: Screen, words: list[str], verb: VerbHelp | None, token: str) -> Intent:
    models = {m.model: m for m in (screen.snapshot.models if screen.snapshot else [])}
    named = next((word for word in words[1:] if word in models), None)
    model = models.get(named or screen.model or "")
    name = model.model if model else (screen.snapshot.workspace if screen.snapshot else "cdml")
    champion = model.champion if model else None
    said = list(words)
    # What was seen goes along: somebody else may have been first.
    if verb and "expect" in verb.options and champion and "--expect" not in words:
        said += ["--expect", champion]
    about = _version_in(words, model)
    return Intent("words", name, champion, about, token, words=tuple(said))


def _version_in(words: list[str], model: wire.ModelState | None) -> str | None:
    versions = {row.version for row in model.versions} if model else set()
    return next((word for word in words[1:] if word in versions), None)
