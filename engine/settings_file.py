"""A TOML file as typed tables; what is wrong is said with file, line, key and the nearest key.

Knows nothing of which keys there are; those come as msgspec structs.
"""

import math
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from engine.errors import InvalidError

T = TypeVar("T", bound=msgspec.Struct)

_WORD = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""
_DOTTED = rf"\s*({_WORD}(?:\s*\.\s*{_WORD})*)\s*"
_HEADER = re.compile(rf"^\s*\[\[?{_DOTTED}\]")
_KEY = re.compile(rf"^{_DOTTED}=")
_MANY_LINES = re.compile(r'"""|' + "'''")
_LARGEST = 1 << 20


class Document:
    """One file: its tables, and the line of every key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        text = self._text()
        try:
            self.tables: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as e:
            raise InvalidError(
                f'Reading "{path}": it is not TOML: {_sentence(str(e))}. '
                "Correct that line; nothing was changed.",
                code="bad_settings",
            ) from e
        self._lines = _lines(text)

    def _text(self) -> str:
        try:
            with self.path.open("rb") as handle:
                raw = handle.read(_LARGEST + 1)
        except OSError as e:
            raise InvalidError(
                f'Reading "{self.path}": {e.strerror}. '
                "Make a workspace with: cdml init DIR --data FILE --target COLUMN",
                code="bad_settings",
            ) from e
        if len(raw) > _LARGEST:
            raise InvalidError(
                f'Reading "{self.path}": it is larger than 1 MiB. That is no settings file.',
                code="bad_settings",
            )
        try:
            return raw.decode()
        except UnicodeDecodeError as e:
            line = raw[: e.start].count(b"\n") + 1
            raise InvalidError(
                f'Reading "{self.path}", line {line}: it is not UTF-8. Save the file as UTF-8.',
                code="bad_settings",
            ) from e

    def fail(self, where: tuple[str, ...], message: str, *, code: str = "bad_settings") -> NoReturn:
        """Raise InvalidError for the key at `where`, naming file, line and key."""
        line = next(
            (self._lines[where[:n]] for n in range(len(where), 0, -1) if where[:n] in self._lines),
            None,
        )
        at = f", line {line}" if line else ""
        key = f'key "{where[-1]}"' if where else "the file"
        table = f" in [{'.'.join(_bare(w) for w in where[:-1])}]" if len(where) > 1 else ""
        raise InvalidError(
            f'Reading "{self.path}"{at}, {key}{table}: {message}',
            code=code,
            field=".".join(where) or None,
        )

    def build(self, kind: type[T], raw: object, where: tuple[str, ...]) -> T:
        """Return the struct of a table; InvalidError names the first key that does not fit."""
        if not isinstance(raw, dict):
            self.fail(where, f"found {shown(raw)}, a table is expected.")
        hints = get_type_hints(kind)
        for key in raw:
            if key not in hints:
                self.fail((*where, key), unknown(key, hints, kind), code="unknown_key")
        values = {key: self._value(hints[key], raw[key], (*where, key)) for key in raw}
        for field in msgspec.structs.fields(kind):
            if field.required and field.name not in values:
                self.fail(where, f'the key "{field.name}" is missing. Add it to this table.')
        try:
            return kind(**values)
        except InvalidError as e:
            named = (e.field,) if e.field in raw else ()
            self.fail((*where, *named), e.message, code=e.code)

    def _value(self, kind: Any, raw: object, where: tuple[str, ...]) -> object:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.build(kind, raw, where)
        inner = get_args(kind)
        if type(None) in inner and _is_struct(inner[0]):  # a table that may be absent
            return self.build(inner[0], raw, where)
        if get_origin(kind) is dict and _is_struct(inner[1]):
            if not isinstance(raw, dict):
                self.fail(where, f"found {shown(raw)}, tables by name are expected.")
            return {name: self.build(inner[1], raw[name], (*where, name)) for name in raw}
        if any(isinstance(v, float) and not math.isfinite(v) for v in _each(raw)):
            self.fail(where, f"found {shown(raw)}, a finite number is expected.")
        try:
            return msgspec.convert(raw, kind, strict=True)
        except msgspec.ValidationError:
            words = choices(kind)
            texts = [v for v in _each(raw) if isinstance(v, str) and v not in words]
            wrong = texts[0] if words and texts else None
            hint = nearest(wrong, words) if wrong is not None else ""
            self.fail(where, f"found {shown(raw)}, {type_text(kind)} is expected.{hint}")


def unknown(key: str, keys: dict[str, Any], kind: type[msgspec.Struct]) -> str:
    """Say that a key is unknown, with the nearest valid one, here or one table further down."""
    tail = ' "cdml check --keys" lists every key.'
    for name, hint in keys.items():
        table = hint if isinstance(hint, type) and issubclass(hint, msgspec.Struct) else None
        if table and key in table.__struct_fields__:
            return f'it is unknown here. It is a key of the table "{name}" below.{tail}'
    return f"it is unknown here.{nearest(key, list(kind.__struct_fields__))}{tail}"


def nearest(word: str, valid: list[str]) -> str:
    """Return a sentence with the valid word nearest to this one, or with all of them."""
    close = get_close_matches(word.lower(), valid, n=1, cutoff=0.5)
    if close:
        return f' The nearest valid one is "{close[0]}".'
    return f" Valid are: {', '.join(sorted(valid)[:12])}." if valid else ""


def choices(kind: Any) -> list[str]:
    """Return the words that a type allows, where it allows words only."""
    inner = get_args(kind)
    if get_origin(kind) is list:
        return choices(inner[0])
    return list(inner) if inner and all(isinstance(i, str) for i in inner) else []


def type_text(kind: Any) -> str:
    """Name a type as a person would."""
    names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
    inner = [i for i in get_args(kind) if i is not type(None)]
    if kind in names:
        return names[kind]
    if choices(kind) and get_origin(kind) is not list:
        return " or ".join(f'"{c}"' for c in choices(kind))
    if get_origin(kind) is dict:
        lists = "lists of " if get_origin(inner[1]) is list else ""
        return f"a table of {lists}numbers, texts or true and false by name"
    if get_origin(kind) is list:
        plural = {str: "texts", int: "whole numbers", float: "numbers"}
        return f"a list of {plural.get(inner[0]) or type_text(inner[0])}"
    return type_text(inner[0]) if inner else "another type"


def shown(value: object) -> str:
    """Return a TOML value short enough for a message."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, str):
        return f'"{value[:40]}"'
    return str(value)[:40]


def _each(raw: object) -> list[object]:
    if isinstance(raw, dict):
        return [one for value in raw.values() for one in _each(value)]
    return raw if isinstance(raw, list) else [raw]


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """Return the line of every table header and every key at the beginning of a line."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        if not inside:
            header, key = _HEADER.match(line), _KEY.match(line)
            if header:
                table = _words(header[1])
                found.setdefault(table, number)
            elif key:
                words = _words(key[1])
                for n in range(1, len(words) + 1):
                    found.setdefault((*table, *words[:n]), number)
        inside ^= len(_MANY_LINES.findall(line)) % 2 == 1
    return found


def _words(dotted: str) -> tuple[str, ...]:
    words = re.findall(_WORD, dotted)
    return tuple(w[1:-1] if w[0] in "\"'" else w for w in words)


def _bare(word: str) -> str:
    return word if re.fullmatch(r"[A-Za-z0-9_-]+", word) else f'"{word}"'


def _sentence(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".")
