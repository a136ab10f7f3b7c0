"""One table of actions: keys, name, help, class of danger and the command that does the same.

Footer, help, palette, command line, the one-shot commands and the README are made from it. Knows
no Textual.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from cdml_tui.keyhelp import KeyHelp


class Danger(Enum):
    """How much a key must be meant."""

    LOOK = "A"
    REVERSIBLE = "B"
    SURPRISING = "C"
    OVERRIDING = "D"
    FINAL = "E"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing an operator can do. The first key is the one shown.

    `command` has {model} and {version} for what is selected; empty where only the screen moves.
    `on` names the only places it works: pages, "base", or "filtered" while rows are filtered.
    """

    name: str
    keys: tuple[str, ...]
    short: str
    help: str
    danger: Danger = Danger.LOOK
    command: str = ""
    way_back: str = ""
    on: tuple[str, ...] = ()


_LIST = "cdml versions {model}"
_SHOW = "cdml show {model} {version}"
_DRIFT = "cdml drift {model}"
_COMPARE = "cdml compare {model} CHAMPION {version}"
_PERFORMANCE = "cdml performance {model}"

ACTIONS: tuple[Action, ...] = (
    Action(
        "rollback",
        ("R",),
        "rollback",
        "roll the model back to its last known good version",
        Danger.REVERSIBLE,
        "cdml rollback {model}",
        "u within 60 s",
    ),
    Action(
        "promote",
        ("P",),
        "promote",
        "make the selected version the champion",
        Danger.REVERSIBLE,
        "cdml promote {model} {version}",
        "u within 60 s",
    ),
    Action(
        "train",
        ("T",),
        "train",
        "train new candidates now",
        Danger.SURPRISING,
        "cdml train {model}",
        "serves nobody until promoted",
    ),
    Action(
        "abort",
        ("S",),
        "stop",
        "stop the canary or the shadow; the champion stays",
        Danger.REVERSIBLE,
        "cdml abort {model}",
        "cdml validate has it judged again",
    ),
    Action(
        "undo",
        ("u",),
        "undo",
        "take back the last change, within 60 s",
        Danger.REVERSIBLE,
        "cdml undo {model}",
        "R or P",
    ),
    Action(
        "ack",
        ("A",),
        "known",
        "acknowledge the worst alert until it grows worse",
        Danger.REVERSIBLE,
        "cdml alert ack ID",
        "it is told again when it grows worse",
    ),
    Action(
        "mute",
        ("M",),
        "mute",
        "mute the worst alert for a day; it is still recorded",
        Danger.REVERSIBLE,
        "cdml alert mute ID",
        "cdml alert mute ID --for 0s",
    ),
    Action(
        "cancel",
        ("C",),
        "cancel",
        "cancel the selected run; what it made so far is dropped",
        Danger.SURPRISING,
        "cdml cancel ID",
        "start it again",
        on=("jobs", "run"),
    ),
    Action(
        "approve",
        ("O",),
        "approve",
        "say yes to the step that waits",
        Danger.SURPRISING,
        "cdml approve {model} {version}",
        "S or R",
        on=("rollout",),
    ),
    Action(
        "reject",
        ("V",),
        "reject",
        "say no to the version that waits",
        Danger.SURPRISING,
        "cdml reject {model} {version}",
        "cdml validate has it judged again",
        on=("rollout",),
    ),
    Action(
        "accept",
        ("I",),
        "take in",
        "take in the file that is set aside, in spite of what was found",
        Danger.OVERRIDING,
        "cdml quarantine {model} accept BATCH",
        "X taints it",
        on=("data", "batch"),
    ),
    Action(
        "discard",
        ("D",),
        "discard",
        "discard the file that is set aside, with a reason",
        Danger.SURPRISING,
        "cdml quarantine {model} discard BATCH",
        "deliver it again",
        on=("data", "batch"),
    ),
    Action(
        "taint",
        ("X",),
        "taint",
        "never train on this batch again, with a reason",
        Danger.SURPRISING,
        "cdml taint {model} --batch BATCH",
        "cdml taint MODEL --lift N",
        on=("data", "batch"),
    ),
    Action("down", ("j", "down"), "down", "select the next row", command=_LIST),
    Action("up", ("k", "up"), "up", "select the row above", command=_LIST),
    Action("first", ("g", "home"), "first", "select the first row"),
    Action("last", ("G", "end"), "last", "select the last row"),
    Action("page_up", ("pageup",), "page up", "move up by a screenful"),
    Action("page_down", ("pagedown",), "page down", "move down by a screenful"),
    Action("open", ("enter",), "open", "open what is selected"),
    Action("events", ("e", "4"), "events", "open every event kept", command="cdml events"),
    Action("version", ("v",), "version", "open the selected version, as Enter does", command=_SHOW),
    Action(
        "compare",
        ("c",),
        "compare",
        "set two marked versions side by side, else the selected one and the champion",
        command=_COMPARE,
    ),
    Action(
        "drift",
        ("d", "5"),
        "drift",
        "columns by drift; Enter opens one, then and now",
        command=_DRIFT,
    ),
    Action(
        "performance",
        ("f", "2"),
        "performance",
        "metrics and KPIs over time, and ahead",
        command=_PERFORMANCE,
    ),
    Action(
        "overview",
        ("o",),
        "overview",
        "all models, a row each; Enter shows one",
        command="cdml status",
    ),
    Action("jobs", ("l", "3"), "runs", "open every run kept", command="cdml jobs --limit N"),
    Action(
        "rollout", ("6",), "rollout", "open the rollout's evidence", command="cdml rollout {model}"
    ),
    Action("incidents", ("7", "i"), "incidents", "open the incidents", command="cdml incident"),
    Action("alerts", ("8",), "alerts", "open every alert", command="cdml alerts --all"),
    Action("data", ("9",), "batches", "open what was delivered", command="cdml quarantine {model}"),
    Action("audit", ("0",), "audit", "open who did what", command="cdml audit --verify"),
    Action(
        "annotate",
        ("n",),
        "note",
        "write a note",
        command="cdml incident N --note T",
        on=("incident",),
    ),
    Action(
        "report",
        ("x",),
        "report",
        "write its report to a file",
        command="cdml incident N --report FILE",
        on=("incident",),
    ),
    Action(
        "past",
        ("b",),
        "past",
        "go back in time, to when something last happened",
        command="cdml versions {model} --at TIME",
    ),
    Action("earlier", (",",), "hour back", "go an hour back in time"),
    Action("later", (".",), "hour on", "go an hour on, up to the present"),
    Action("day_earlier", ("<",), "day back", "go a day back in time"),
    Action("day_later", (">",), "day on", "go a day on, up to the present"),
    Action("model", ("m",), "model", "show the next model", command="cdml status"),
    Action("mark", ("space",), "mark", "mark the selected version, two of them to compare"),
    Action("next_pane", ("tab",), "pane", "give the next pane the focus"),
    Action("last_pane", ("shift+tab",), "pane back", "give the pane before it the focus"),
    Action("zoom", ("z",), "zoom", "give the focused pane the whole screen, or take it back"),
    Action(
        "filter", ("/",), "filter", "show only rows that a pattern is found in; ! before it: not"
    ),
    Action("next_hit", ("n",), "next", "go to the next filtered row", on=("filtered",)),
    Action("last_hit", ("N",), "previous", "go to the filtered row before", on=("filtered",)),
    Action("command", (":",), "command", "type a command: the verbs of cdml, with Tab and history"),
    Action("palette", ("w", "ctrl+p"), "find", "find an action by its name, and do it"),
    Action(
        "note",
        ("n",),
        "say why",
        "note why the last change was made, on the open incident or in the audit",
        command="cdml note {model} --reason T",
    ),
    Action("copy", ("y",), "copy", "copy the command that does the same as what is shown"),
    Action("pause", ("p",), "pause", "hold the screen as it is; ages go on"),
    Action("reload", ("r",), "reload", "ask the engine for a fresh state", command="cdml status"),
    Action("glyphs", ("a",), "ascii", "switch between Unicode and ASCII signs"),
    Action(
        "theme", ("t",), "theme", "next theme: dark, light, high contrast, colour-blind, truecolor"
    ),
    Action("picture", ("x",), "picture", "keep a picture of the screen as an SVG file"),
    Action(
        "help",
        ("?",),
        "keys",
        "show every key and the command that does the same",
        command="cdml keys",
    ),
    Action("back", ("escape",), "back", "close what is open, or end a filter"),
    Action("quit", ("q",), "quit", "close a page; on the base screen, press it twice to leave"),
)

FOOTER = (
    "rollback",
    "promote",
    "train",
    "abort",
    "undo",
    "filter",
    "command",
    "help",
    "quit",
    "down",
    "model",
    "copy",
    "note",
)

# A confirmation is not an action of its own: it exists only inside a prompt that names it.
CONFIRM_KEY = "y"

_NAMES = {action.name: action for action in ACTIONS}
_SHOWN = {
    "enter": "Enter",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "escape": "Esc",
    "space": "Space",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
    "down": "Down",
    "up": "Up",
    "home": "Home",
    "end": "End",
}


def named(name: str) -> Action:
    """Return the action of that name."""
    return _NAMES[name]


def shown_key(key: str) -> str:
    """Return a key as a person would write it."""
    return _SHOWN.get(key, key)


def command_for(action: Action, model: str | None, version: str | None) -> str:
    """Return the one-shot command that does the same, with the names filled in."""
    return action.command.format(model=model or "MODEL", version=version or "VERSION")


def key_rows(keys: Mapping[str, tuple[str, ...]] = MappingProxyType({})) -> tuple[KeyHelp, ...]:
    """Return the table as the console draws and follows it; `keys` has those of an operator."""
    return tuple(_row(a, keys.get(a.name, a.keys)) for a in ACTIONS)


def _row(a: Action, keys: tuple[str, ...]) -> KeyHelp:
    return KeyHelp(
        a.name,
        tuple(shown_key(k) for k in keys),
        a.short,
        a.help,
        a.danger.value,
        a.command,
        a.way_back,
        FOOTER.index(a.name) + 1 if a.name in FOOTER else 0,
        keys,
        a.on,
    )
