"""Server-sent events of the engine as items, read line by line."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from engine import wire


@dataclass(frozen=True, slots=True)
class StreamItem:
    """One sign of life on the event stream: `kind` is "keep", "state" or "event"."""

    kind: str
    id: int | None = None
    event: wire.EventRow | None = None


def stream_items(lines: Iterator[str]) -> Iterator[StreamItem]:
    """Read server-sent events by hand: the heartbeat is a comment, which parsers swallow."""
    kind, data, seen_id = "message", "", None
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line.startswith(":"):
            yield StreamItem("keep")
        elif name == "event":
            kind = value
        elif name == "data":
            data += value
        elif name == "id":
            seen_id = int(value) if value.isdigit() else None
        elif not line:
            if kind == "event" and data:
                event = msgspec.json.decode(data, type=wire.EventRow)
                yield StreamItem("event", seen_id if seen_id is not None else event.id, event)
            elif kind == "state":
                yield StreamItem("state", seen_id)
            kind, data, seen_id = "message", "", None
