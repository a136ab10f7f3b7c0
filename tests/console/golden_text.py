"""Screens compared with their golden text. CDML_GOLDEN=write writes what is drawn now."""

import os
from pathlib import Path

from cdml_tui.panes.line import Line, text_of

GOLDEN = Path(__file__).parent / "golden"


def compare(name: str, lines: list[Line]) -> None:
    drawn = "".join(f"{text_of(one).rstrip()}\n" for one in lines)
    kept = GOLDEN / f"{name}.txt"
    if os.environ.get("CDML_GOLDEN") == "write":
        kept.write_text(drawn, encoding="utf-8")
    assert drawn == kept.read_text(encoding="utf-8")
