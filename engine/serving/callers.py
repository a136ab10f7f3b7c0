"""Who may ask, and how often: bearer tokens by their hash, and a bucket a client."""

import hmac
import logging
import math
from collections import OrderedDict
from pathlib import Path

from engine import tokens
from engine.errors import CdmlError, UnavailableError

MAX_CLIENTS = 10_000
_log = logging.getLogger("cdml.serving")


class Buckets:
    """A token bucket a client, refilled at `rate` a second, holding at most a second's worth."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._most = max(1.0, rate)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, now_s: float) -> int:
        """Take one; return 0, or in how many whole seconds the next is there."""
        left, since = self._left.pop(client, (self._most, now_s))
        left = min(self._most, left + (now_s - since) * self.rate)
        wait = 0 if left >= 1.0 else max(1, math.ceil((1.0 - left) / self.rate))
        self._left[client] = (left if wait else left - 1.0, now_s)
        if len(self._left) > MAX_CLIENTS:
            self._left.popitem(last=False)
        return wait


class Callers:
    """The tokens as they stand in their file, read again where that changes, and the buckets."""

    def __init__(self, path: Path, rate: float | None, listen: str) -> None:
        self._path = path
        self._listen = listen
        self._seen: tuple[int, int, int] | None = None
        self._said = ""
        self._by_hash: dict[bytes, str] = {}
        self.closed = False
        self.rate = rate or 0.0
        self.buckets = None if rate is None else Buckets(rate)
        self.refresh()

    def set_rate(self, rate: float | None) -> None:
        """Allow each client so many requests a second from now on; None: as many as it likes."""
        if (rate or 0.0) != self.rate:
            self.rate = rate or 0.0
            self.buckets = None if rate is None else Buckets(rate)

    @property
    def open(self) -> bool:
        """Say whether nobody needs a token."""
        return not self._by_hash and not self.closed

    def refresh(self) -> None:
        """Obey a change of the file.

        Nobody is let in while it cannot be read, or has no token and others reach this port.
        """
        mark = _mark(self._path)
        if mark is not None and mark == self._seen:
            return
        try:
            known = tokens.read(self._path)
            tokens.check_reach(self._path, self._listen)
        except CdmlError as e:
            if e.message != self._said:
                _log.error("%s", e.message)
            self.closed, self._by_hash, self._seen, self._said = True, {}, None, e.message
        else:
            self.closed, self._seen, self._said = False, mark, ""
            self._by_hash = {token.sha256.encode(): token.name for token in known}

    def name(self, authorization: bytes) -> str | None:
        """Return whose token a header carries, None where it carries none that is known."""
        if self.closed:
            raise UnavailableError(
                "Looking for your token: the list of tokens cannot be used, so nobody is let in. "
                "Whoever runs this service finds the reason in logs/serving.log.",
                code="tokens_unusable",
            )
        scheme, _, secret = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        found = tokens.digest(secret.strip().decode("latin-1")).encode()
        names = [n for known, n in self._by_hash.items() if hmac.compare_digest(known, found)]
        return names[0] if names else None


def _mark(path: Path) -> tuple[int, int, int] | None:
    """Return what changes with the file; None where it cannot be told."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
