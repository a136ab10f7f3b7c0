"""An operator's own keys: which of them hold, and what is wrong with the others. Pure."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from itertools import combinations

from cdml_tui.actions import ACTIONS, CONFIRM_KEY, Action, Danger, named

Keys = dict[str, tuple[str, ...]]

_KEY_NAMES = {
    "up", "down", "left", "right", "home", "end", "pageup", "pagedown", "insert", "delete",
    "backspace", "enter", "escape", "tab", "shift+tab", "space",
    *(f"f{n}" for n in range(1, 25)),
    *(f"ctrl+{c}" for c in "abcdefghijklmnopqrstuvwxyz"),
}  # fmt: skip
# They leave, whatever anybody wants: habit presses them.
_RESERVED = ("ctrl+c", "ctrl+q")
_MOTIONS = ("up", "down", "first", "last", "page_up", "page_down", "open", "back", "mark")
_NEVER = ("backspace", "delete", "insert", "left", "right", "enter", "escape", "tab", "space")
_MEANT = re.compile(r"[A-Z]|f\d+|ctrl\+[a-z]")


def mapped(wanted: Mapping[str, object]) -> tuple[Keys, list[str]]:
    """Return every action's keys, and what of the wanted ones was left out, a sentence each."""
    problems: list[str] = []
    own: Keys = {}
    for name, value in wanted.items():
        keys, problem = _read(name, value)
        if problem:
            problems.append(problem)
        else:
            own[name] = keys
    while clash := _clash(own):
        first, second, key = clash
        mine = [name for name in (first, second) if name in own]
        for name in mine:
            del own[name]
        kept = " and ".join(mine)
        problems.append(f'"{key}" means both {first} and {second}; {kept} keeps the usual key')
    return {action.name: own.get(action.name, action.keys) for action in ACTIONS}, problems


def _read(name: str, value: object) -> tuple[tuple[str, ...], str]:
    names = [action.name for action in ACTIONS]
    if name not in names:
        close = get_close_matches(name, names, n=1, cutoff=0.5)
        return (), f'there is no action "{name[:40]}"' + (f'; is it "{close[0]}"?' if close else "")
    keys = [value] if isinstance(value, str) else value
    if not isinstance(keys, list) or not keys or not all(isinstance(k, str) for k in keys):
        return (), f'{name}: keys are written like ["R", "f9"]'
    for key in keys:
        if problem := _wrong(named(name), key):
            return (), f"{name}: {problem}"
    return tuple(dict.fromkeys(keys)), ""


def _wrong(action: Action, key: str) -> str:
    if key in _RESERVED:
        return f'"{key}" always leaves'
    if key not in _KEY_NAMES and not (len(key) == 1 and key.isprintable() and key != " "):
        close = get_close_matches(key.lower(), _KEY_NAMES, n=1, cutoff=0.6)
        return f'there is no key "{key[:20]}"' + (f'; is it "{close[0]}"?' if close else "")
    if action.danger is Danger.LOOK:
        return ""
    if key == CONFIRM_KEY:
        return f'"{key}" confirms a change, so it cannot begin one'
    if key in _NEVER or any(key in named(motion).keys for motion in _MOTIONS):
        return f'"{key}" moves or edits; no change is put beside it'
    if not _MEANT.fullmatch(key) and key not in action.keys:
        return f'"{key}" changes something, so it must be a capital, a function key or with ctrl'
    return ""


def _clash(own: Keys) -> tuple[str, str, str] | None:
    """Find two actions that one key would mean in one place."""
    for first, second in combinations(ACTIONS, 2):
        if bool(first.on) != bool(second.on) or (first.on and not set(first.on) & set(second.on)):
            continue  # what works in one place only comes before what works everywhere
        keys = own.get(first.name, first.keys)
        for key in own.get(second.name, second.keys):
            if key in keys:
                return first.name, second.name, key
    return None
