"""What happened between two moments, as traces have it. Ids come of names: restarts keep them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

# The header of a client that traces: version, trace, its span, flags.
_PARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class Span:
    """One thing that took from `began` to `ended`, in nanoseconds since 1970."""

    trace: int
    number: int
    parent: int | None
    name: str
    began: int
    ended: int
    about: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    failed: bool = False
    served: bool = False


@dataclass(frozen=True, slots=True)
class Parent:
    """The span of a client that asked us, and whether it wants to be traced."""

    trace: int
    number: int
    sampled: bool


def trace_of(*names: str) -> int:
    """Return the id of the trace that has these names."""
    return int.from_bytes(hashlib.sha256("\0".join(names).encode()).digest()[:16], "big") or 1


def span_of(trace: int, *names: str) -> int:
    """Return the id of a span of a trace."""
    text = "\0".join((f"{trace:032x}", *names)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") or 1


def parent_of(header: bytes) -> Parent | None:
    """Read a traceparent; None where it is none, as the standard has it."""
    found = _PARENT.fullmatch(header[:200].strip())
    if found is None or header[:2] == b"ff":
        return None
    trace, number, flags = (int(part, 16) for part in found.groups())
    return Parent(trace, number, bool(flags & _SAMPLED)) if trace and number else None
