"""The audit chain: each entry carries the hash of the one before. Knows no database.

Whoever can write the file can also write a whole new chain: only its head, noted elsewhere, tells.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

GENESIS = "0" * 64


def link(prev_hash: str, entry: str) -> str:
    """Return sha256(prev_hash || entry) in hex."""
    return hashlib.sha256((prev_hash + entry).encode()).hexdigest()


def canonical(entry: dict[str, Any]) -> str:
    """Write an entry in the one form that is hashed."""
    return msgspec.json.encode(entry, order="sorted").decode()


Link = tuple[int, str, str, str, str | None, str | None]


@dataclass(slots=True)
class Folded:
    """A model as the entries of the chain leave it, all as plain JSON values."""

    roles: dict[str, Any] = field(default_factory=dict)
    locks: list[dict[str, Any]] = field(default_factory=list)
    fitness: dict[str, str] = field(default_factory=dict)


def folded(entries: Iterable[str]) -> dict[str, Folded]:
    """Return the state of each model that the entries add up to."""
    found: dict[str, Folded] = {}
    for text in entries:
        entry = msgspec.json.decode(text)
        if entry["model"] is None:
            continue
        model = found.setdefault(entry["model"], Folded())
        detail = entry["detail"]
        model.roles, model.locks = detail["roles_after"], detail["locks_after"]
        model.fitness |= {version: pair[1] for version, pair in detail["fitness"].items()}
    return found


def fault(rows: Iterable[Link]) -> str | None:
    """Return what is wrong with a chain of (seq, entry, prev_hash, hash, key, answer), or None.

    The key stands in the entry as well; what a later hand wrote beside it is found.
    """
    expected, head = 1, GENESIS
    for seq, entry, prev_hash, found, key, answer in rows:
        if seq != expected:
            return f"entry {expected} is missing: the next one found is {seq}"
        if prev_hash != head:
            return f"entry {seq} does not follow entry {seq - 1}"
        if link(prev_hash, entry) != found:
            return f"entry {seq} was altered"
        if answer is not None or key != msgspec.json.decode(entry).get("key"):
            return f"the key of entry {seq} was altered"
        expected, head = seq + 1, found
    return None
