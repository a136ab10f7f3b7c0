"""Writes the generated parts of the documents; with --check only says whether they are in step.

Keys come from cdml_tui/actions.py, commands from cdml_tui/arguments.py, settings from the structs
that read cdml.toml, numbers from engine/telemetry/names.py.
"""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from cdml_tui.actions import ACTIONS, shown_key
from cdml_tui.verbs.table import VERBS
from engine.check import keys as settings_keys
from engine.telemetry import names

ROOT = Path(__file__).parent.parent


def cell(text: str) -> str:
    """Return a text as it may stand in a table."""
    return text.replace("|", "\\|")


def keys() -> Iterator[str]:
    """Yield the table of the console's keys."""
    yield "| Key | What it does | The same as a command | The way back |"
    yield "|---|---|---|---|"
    for action in ACTIONS:
        pressed = ", ".join(f"`{shown_key(key)}`" for key in action.keys)
        command = action.command.format(model="MODEL", version="VERSION")
        same = f"`{command}`" if command else ""
        yield f"| {pressed} | {cell(action.help)} | {same} | {cell(action.way_back)} |"


def commands() -> Iterator[str]:
    """Yield the table of the one-shot verbs with the options that are theirs alone."""
    yield "| Command | What it does | Options |"
    yield "|---|---|---|"
    yield "| `cdml` | the console | |"
    for name, verb in VERBS.items():
        own = ", ".join(f"`--{option.partition('/')[0]}`" for option in verb.options)
        yield f"| `{f'cdml {name} {cell(verb.words)}'.strip()}` | {cell(verb.help)} | {own} |"


def settings() -> Iterator[str]:
    """Yield the table of the keys of cdml.toml; a policy's keys are those of a model."""
    yield "| Key | What it says | Type | Default |"
    yield "|---|---|---|---|"
    for row in settings_keys():
        if not row.key.startswith("policies."):
            default = row.default if row.default in ("required", "absent") else f"`{row.default}`"
            yield f"| `{row.key}` | {cell(row.text)} | {cell(row.type)} | {cell(default)} |"


def numbers() -> Iterator[str]:
    """Yield the table of what Prometheus is shown."""
    yield "| Name | Labels | Type | By | What it is |"
    yield "|---|---|---|---|---|"
    for n in names.ALL:
        yield f"| `{n.name}` | {', '.join(n.labels)} | {n.kind} | {n.by} | {cell(n.says)} |"


PARTS: dict[str, tuple[str, Callable[[], Iterator[str]]]] = {
    "keys": ("README.md", keys),
    "commands": ("README.md", commands),
    "settings": ("docs/OPERATING.md", settings),
    "numbers": ("docs/OPERATING.md", numbers),
}


def main(*, check: bool) -> int:
    """Write or compare every part; return 1 where a document was behind and only checked."""
    behind = 0
    for name, (document, lines) in PARTS.items():
        path = ROOT / document
        before = path.read_text()
        part = "\n".join([f"<!-- {name} -->", *lines(), f"<!-- /{name} -->"])
        pattern = rf"<!-- {name} -->.*?<!-- /{name} -->"
        after, found = re.subn(pattern, part.replace("\\", r"\\"), before, flags=re.DOTALL)
        if found != 1:
            sys.stderr.write(f"{document}: the part between <!-- {name} --> marks is missing\n")
            behind = 1
        elif after != before and check:
            sys.stderr.write(f"{document}: {name} are behind the code; run make docs\n")
            behind = 1
        elif after != before:
            path.write_text(after)
    return behind


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv))
