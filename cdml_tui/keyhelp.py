"""What the console knows of its keys and of the verbs of its command line."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyHelp:
    """One action as footer, help and palette show it, and the keys that it has here.

    `keys` are written for people, `presses` as they arrive; `on` names the only places it works,
    `in_footer` its place in the last line, 0 for none.
    """

    name: str
    keys: tuple[str, ...]
    short: str
    help: str
    danger: str
    command: str
    way_back: str
    in_footer: int
    presses: tuple[str, ...] = ()
    on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VerbHelp:
    """One verb of the command line, as the console knows it.

    `danger` is its class where it changes something; with `changes_with` it does so only beside one
    of these words, with `looks_with` not beside these. `elsewhere` says why only a shell runs it.
    """

    name: str
    words: str
    help: str
    options: tuple[str, ...] = ()
    danger: str = "A"
    changes_with: tuple[str, ...] = ()
    looks_with: tuple[str, ...] = ()
    elsewhere: str = ""
