"""Idempotency keys: a fresh one for every request, or the one that a caller wants asked by."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class GivenKey:
    """A key to ask by; `used` says whether anything was asked by it, and so may be asked again."""

    value: str
    used: bool = False


_GIVEN: ContextVar[GivenKey | None] = ContextVar("given_key", default=None)


def new_key() -> str:
    """Return a fresh idempotency key, or the one given to this thread."""
    given = _GIVEN.get()
    if given is None:
        # The audit keeps the key, and so by which way a change was asked for.
        return f"cdml.{os.urandom(16).hex()}"
    given.used = True
    return given.value


@contextmanager
def asked_by(key: GivenKey) -> Iterator[None]:
    """Have everything in this block asked by one key."""
    token = _GIVEN.set(key)
    try:
        yield
    finally:
        _GIVEN.reset(token)
