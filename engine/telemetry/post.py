"""`python -m engine post`: hands one message from stdin to the URLs beside it, by apprise.

A process of its own: the library, a hanging server and the secret are never in the engine.
"""

import logging
import sys

import msgspec

from engine.telemetry.errand import REFUSED, UNKNOWN_KIND


class Letter(msgspec.Struct, frozen=True):
    """What is to be posted where."""

    urls: list[str]
    title: str
    body: str
    kind: str


def main() -> int:
    """Post what stands on stdin; the exit code alone says how that went."""
    letter = msgspec.json.decode(sys.stdin.buffer.read(), type=Letter)
    logging.disable(logging.CRITICAL)  # it writes of URLs, and URLs hold passwords
    import apprise

    to = apprise.Apprise()
    if not all(to.add(url) for url in letter.urls):
        return UNKNOWN_KIND
    kind = apprise.NotifyType(letter.kind)
    return 0 if to.notify(title=letter.title, body=letter.body, notify_type=kind) else REFUSED
