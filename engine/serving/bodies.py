"""Request bodies to wire values; what is wrong with a body is an InvalidError naming the field."""

import json
import math
import re
from typing import Any, TypeVar

import msgspec

from engine.errors import InvalidError
from engine.wire import LabelsRequest

MAX_LABELS = 10_000
MAX_ID = 256
MAX_DEPTH = 16

T = TypeVar("T")

_labels = msgspec.json.Decoder(LabelsRequest)
_PATH = re.compile(r" - at `\$\.?(.+)`$")
_UNKNOWN_KEY = re.compile(r"unknown field `(.+?)`")
_MISSING_KEY = re.compile(r"missing required field `(.+?)`")


def read_labels(body: bytes) -> LabelsRequest:
    """Read the body of labels."""
    request = read(body, _labels)
    if not 0 < len(request.labels) <= MAX_LABELS:
        raise bad_count("labels", len(request.labels), MAX_LABELS)
    colons = sum(label.ts.count(":") + label.id.count(":") for label in request.labels)
    check_keys(body, 1 + 3 * len(request.labels) + colons)
    return request


def read(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """Decode a body; InvalidError says what is wrong and where."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as e:
        raise _wrong_shape(str(e), body) from None
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8") from None
    except RecursionError:
        raise _malformed(f"it is nested deeper than {MAX_DEPTH} levels") from None
    except msgspec.DecodeError as e:
        raise _malformed(str(e)) from None


def bad_count(field: str, found: int, most: int) -> InvalidError:
    """Return the error for too few or too many rows or labels."""
    return InvalidError(
        f'Reading "{field}": found {found}. Send 1 to {most} in one request.',
        code="no_rows" if found == 0 else "too_many_rows",
        field=field,
    )


def check_id(text: str, field: str) -> None:
    """Refuse an id that is empty or too long."""
    if not 0 < len(text) <= MAX_ID:
        raise InvalidError(
            f'Reading "{field}": found {len(text)} characters. Send 1 to {MAX_ID}, or none.',
            code="bad_id",
            field=field,
        )


def check_keys(body: bytes, colons: int) -> None:
    """Refuse duplicate keys: looked for only where there are more colons than what was read has."""
    if body.count(b":") > colons:
        json.loads(body, object_pairs_hook=_no_duplicates)


def check_json(body: bytes) -> None:
    """Refuse what is no JSON in UTF-8, is nested too deep, or has a key twice; nothing is kept."""
    try:
        found = json.loads(
            body.decode(), object_pairs_hook=_no_duplicates, parse_constant=_no_number
        )
        deep = _depth(found) > MAX_DEPTH
    except RecursionError:
        deep = True
    except ValueError as e:
        raise _malformed(f"{e!s:.200}") from None
    if deep:
        raise _malformed(f"it is nested deeper than {MAX_DEPTH} levels")


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _depth(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_depth, inside), default=0) if isinstance(value, dict | list) else 0


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise InvalidError(
                f'Reading the body: the key "{key[:80]}" stands twice in one object. Send it once.',
                code="duplicate_key",
                field=key[:80],
            )
        seen.add(key)
    return dict(pairs)


def _malformed(found: str) -> InvalidError:
    return InvalidError(
        f"Reading the body: {found}. Send one JSON object in UTF-8.", code="malformed_json"
    )


def _wrong_shape(text: str, body: bytes) -> InvalidError:
    path = _PATH.search(text)
    field = path.group(1) if path else None
    if named := _UNKNOWN_KEY.search(text) or _MISSING_KEY.search(text):
        field = named.group(1)
    elif field and field.endswith("features[...]"):
        field = _culprit(body) or field
    found = _PATH.sub("", text)[:200]  # it may hold a name as long as the body
    return InvalidError(
        f"Reading the body{f' at {field[:80]}' if field else ''}: {found}. "
        "See /openapi.json for the shape.",
        code="wrong_type",
        field=field[:80] if field else None,
    )


def _culprit(body: bytes) -> str | None:
    """Name the first feature that is no scalar or no finite number; only on the way to an error."""
    try:
        rows = json.loads(body, parse_int=float)["rows"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    for row in rows if isinstance(rows, list) else []:
        features = row.get("features") if isinstance(row, dict) else None
        for name, value in features.items() if isinstance(features, dict) else []:
            endless = isinstance(value, float) and not math.isfinite(value)
            if endless or isinstance(value, list | dict):
                return str(name)
    return None
