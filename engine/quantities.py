"""Durations, sizes, cron lines and addresses as people write them, to values. Knows no settings."""

import ipaddress
import re
from datetime import timedelta

from engine.errors import InvalidError

_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_UNIT_BYTES = {
    "B": 1,
    **{u: 1000**p for p, u in enumerate(("kB", "MB", "GB", "TB"), start=1)},
    **{u: 1024**p for p, u in enumerate(("KiB", "MiB", "GiB", "TiB"), start=1)},
}
_AMOUNT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s?([A-Za-z]+)")
_LONGEST = timedelta(days=36500)

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CRON = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)


def duration(text: str) -> timedelta:
    """Read "60s", "30m", "2h", "7d" or "2w"; InvalidError for anything else."""
    match = _AMOUNT.fullmatch(text.strip())
    unit = _UNIT_S.get(match[2]) if match else None
    length = timedelta(seconds=float(match[1]) * unit) if match and unit else None
    if length is None or length > _LONGEST:
        raise InvalidError(
            f'found "{text[:40]}", which is no duration up to 36500d. '
            "Write a number and one of s, m, h, d, w, like 30m or 7d.",
            code="bad_duration",
        )
    return length


def size(text: str) -> int:
    """Read "500MB" or "2GiB" as bytes; InvalidError for anything else."""
    match = _AMOUNT.fullmatch(text.strip())
    unit = _UNIT_BYTES.get(match[2]) if match else None
    if match is None or unit is None:
        raise InvalidError(
            f'found "{text[:40]}", which is no size. '
            f"Write a number and one of {', '.join(_UNIT_BYTES)}, like 2GiB.",
            code="bad_size",
        )
    return int(float(match[1]) * unit)


def check_cron(text: str) -> None:
    """Raise InvalidError unless the text is a cron line of five fields that can come true."""
    fields = text.split()
    if len(fields) != len(_CRON):
        raise InvalidError(
            f'found "{text[:60]}", which has {len(fields)} fields. Write five: minute, hour, day '
            'of month, month, day of week, like "0 3 * * mon".',
            code="bad_cron",
        )
    for field, (name, low, high, words) in zip(fields, _CRON, strict=True):
        for part in field.split(","):
            if not _cron_part(part, low, high, words):
                raise InvalidError(
                    f'found "{part[:40]}" as {name}. Write *, {low}-{high}, a-b or */n'
                    + (f", or {words[0]} to {words[-1]}." if words else "."),
                    code="bad_cron",
                )


def _cron_part(part: str, low: int, high: int, words: tuple[str, ...]) -> bool:
    span, slash, step = part.partition("/")
    if slash and not (step.isascii() and step.isdigit() and int(step) >= 1):
        return False
    if span == "*":
        return True
    first, dash, last = span.partition("-")
    ends = [_cron_number(end, low, words) for end in ((first, last) if dash else (first,))]
    if any(end is None or not low <= end <= high for end in ends):
        return False
    numbers = [end for end in ends if end is not None]
    return numbers == sorted(numbers) and not (slash and not dash)


def _cron_number(text: str, low: int, words: tuple[str, ...]) -> int | None:
    if text.lower() in words:
        return words.index(text.lower()) + low
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 2 else None


def address(text: str) -> tuple[str, int]:
    """Read "127.0.0.1:8080" or "[::1]:8080" as host and port; port 0 takes any free one."""
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    known = port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535
    if not colon or not known or (":" in bare and bare == host) or not _is_numeric(bare):
        raise InvalidError(
            f'found "{text[:60]}", which is no host:port with a host in numbers. '
            "Write it like 127.0.0.1:8080.",
            code="bad_address",
        )
    return bare, int(port)


def _is_numeric(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
