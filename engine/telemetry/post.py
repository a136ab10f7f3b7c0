"""`python -m engine post`: hands one message from stdin to the URLs beside it, by apprise.

A process of its own: the library, a hanging server and the secret are never in the engine.
"""

import html
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
    told = to.notify(
        title=plain(letter.title),
        body=inert(letter.body),
        body_format=apprise.NotifyFormat.HTML,
        notify_type=apprise.NotifyType(letter.kind),
    )
    return 0 if told else REFUSED


def inert(text: str) -> str:
    """Return a text as HTML that shows it and does nothing; apprise makes of it what a target has.

    It may quote what somebody sent, a column or the name of a file: no tag, no link with a name of
    its own, and nobody is called by a mention.
    """
    lines = ["".join(c if c.isprintable() else " " for c in line) for line in text.split("\n")]
    return "<br/>".join(html.escape(line).replace("@", "@\u200b") for line in lines)


def plain(text: str) -> str:
    """Return a title that is a line of text in any format."""
    return "".join(c if c.isprintable() and c not in "<>&*_`[]|~@" else " " for c in text)
