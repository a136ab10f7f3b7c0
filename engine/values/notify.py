"""Who is told of what happens, as `cdml notify` shows it."""

import msgspec

__all__ = ["NotifyRow"]


class NotifyRow(msgspec.Struct, frozen=True):
    """One target: what it wants, what it was told, what waits, and why it cannot be told."""

    target: str
    by: str
    level: str
    kinds: list[str]
    sent: int
    failed: int
    dropped: int
    waiting: int
    last: str | None
    missing: str = ""
