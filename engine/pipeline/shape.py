"""The columns of a delivered file beside those of its model: what fits, is new or is missing."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from engine.settings import ModelSettings
from engine.store import intake


@dataclass(frozen=True, slots=True)
class Shape:
    """What was found: the columns to take, reasons to refuse, warnings, and a schema that fits.

    `proposed` is None where the file has just the columns of the model.
    """

    types: dict[str, str]
    refused: list[str]
    warnings: list[str]
    proposed: dict[str, str] | None


def compared(
    settings: ModelSettings, columns: Mapping[str, str], found: Mapping[str, str], file: str
) -> Shape:
    """Compare a file's columns with the model's; before the first batch, with cdml.toml."""
    special = [settings.target, settings.time, settings.label_time, settings.id]
    wanted = list(columns) or [c for c in special if c]
    refused = _missing([name for name in wanted if name not in found], found, columns, file)
    warnings = []
    types = dict(columns) or {
        n: _kept(n, kind, settings) for n, kind in found.items() if kind != intake.OTHER
    }
    refused += [_untakable(name, file) for name in special if found.get(name or "") == intake.OTHER]
    for name, kind in found.items():
        expected = types.get(name)
        if expected is None:
            why = "has a type no model can take" if kind == intake.OTHER else "is new"
            warnings.append(f'column "{name}" {why} and was left out')
        elif not _fits(kind, expected):
            refused.append(
                f'Reading "{file}": column "{name}" is {kind}, {expected} is expected. '
                "Deliver it with the type it had before, or under a new name: cdml schema takes "
                "new and lost columns, never a known one of another type."
            )
    return Shape(types, refused, warnings, _proposed(settings, columns, found, special))


def _proposed(
    settings: ModelSettings,
    columns: Mapping[str, str],
    found: Mapping[str, str],
    special: list[str | None],
) -> dict[str, str] | None:
    """Return the columns as this file has them, where a person may want just these from now on."""
    if not columns or any(name not in found for name in special if name):
        return None
    fitting = {
        name: columns.get(name) or _kept(name, kind, settings)
        for name, kind in found.items()
        if name in columns or kind not in (intake.OTHER, intake.EMPTY)
    }
    return fitting if fitting.keys() != columns.keys() else None


def _untakable(name: str | None, file: str) -> str:
    return (
        f'Reading "{file}": column "{name}" is neither number, text, true/false nor time. '
        "Deliver it as one of these."
    )


def _kept(name: str, kind: str, settings: ModelSettings) -> str:
    """Return the type a column keeps for good; numbers that are no keys are all DOUBLE.

    A time may come as text: what cannot be read as one is refused when it is.
    """
    if name in (settings.time, settings.label_time):
        return "TIMESTAMP"
    if kind == intake.EMPTY:
        return "VARCHAR"
    keys = (settings.id, settings.target)
    return "DOUBLE" if kind == "BIGINT" and name not in keys else kind


def _fits(kind: str, expected: str) -> bool:
    return kind in (expected, intake.EMPTY) or (kind, expected) in _WIDER


_TIME_IN = ("VARCHAR", "BIGINT", "DOUBLE")  # what can be read as a time; each value is, or fails
_WIDER = {("BIGINT", "DOUBLE"), *((kind, "TIMESTAMP") for kind in _TIME_IN)}


def _missing(
    names: list[str], found: Mapping[str, str], columns: Mapping[str, str], file: str
) -> list[str]:
    """Say in one sentence which columns are missing, and what may have become of them."""
    strangers = [c for c in found if c not in columns]
    if not names:
        return []
    if columns and len(strangers) == len(found):
        begin = ", ".join(f'"{c[:40]}"' for c in strangers[:3])
        said = (
            f'Reading "{file}": none of the columns that are known is in it, it begins with '
            f"{begin}. Is it another table, without its header, or cut off in the middle of a row? "
            "Deliver the file again, whole."
        )
        return [said]
    one = len(names) == 1
    hints = [
        _renamed(like[0], "the column" if one else f'"{name}"')
        for name in names
        if (like := difflib.get_close_matches(name, strangers, n=1, cutoff=0.5))
    ]
    listed = ", ".join(f'"{n}"' for n in names)
    what, them = (f"column {listed} is", "it") if one else (f"columns {listed} are", "them")
    parts = [f'Reading "{file}": {what} missing.', *hints, f"Deliver the file with {them}."]
    return [" ".join(parts)]


def _renamed(like: str, name: str) -> str:
    return f'It has "{like}", which is new: was {name} renamed?'
