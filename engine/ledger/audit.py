"""The audit chain: each entry carries the hash of the one before. Knows no database."""

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

GENESIS = "0" * 64


def link(prev_hash: str, entry: str) -> str:
    """Return sha256(prev_hash || entry) in hex."""
    return hashlib.sha256((prev_hash + entry).encode()).hexdigest()


def canonical(entry: dict[str, Any]) -> str:
    """Write an entry in the one form that is hashed."""
    return msgspec.json.encode(entry, order="sorted").decode()


def fault(rows: Iterable[tuple[int, str, str, str]]) -> str | None:
    """Return what is wrong with a chain of (seq, entry, prev_hash, hash), or None."""
    expected, head = 1, GENESIS
    for seq, entry, prev_hash, found in rows:
        if seq != expected:
            return f"entry {expected} is missing: the next one found is {seq}"
        if prev_hash != head:
            return f"entry {seq} does not follow entry {seq - 1}"
        if link(prev_hash, entry) != found:
            return f"entry {seq} was altered"
        expected, head = seq + 1, found
    return None
