"""Who may ask, and how often: bearer tokens by their hash, and a bucket a client."""

import hmac
import logging
import math
from collections import OrderedDict
from pathlib import Path

from engine import tokens
from engine.errors import CdmlError

MAX_CLIENTS = 10_000
_log = logging.getLogger(__name__)


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

    def __init__(self, path: Path, rate: float | None) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
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
        """Obey a change of the file; one that cannot be read lets nobody in."""
        try:
            found = self._path.stat()
            mark = (found.st_ino, found.st_mtime_ns)
        except FileNotFoundError:
            mark = (0, 0)
        if mark == self._seen:
            return
        try:
            known = tokens.read(self._path)
        except CdmlError as e:
            _log.error("%s", e.message)
            self.closed, self._by_hash = True, {}
        else:
            self.closed = False
            self._by_hash = {token.sha256.encode(): token.name for token in known}
        self._seen = mark

    def name(self, authorization: bytes) -> str | None:
        """Return whose token a header carries, None where it carries none that is known."""
        scheme, _, secret = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        found = tokens.digest(secret.strip().decode("latin-1")).encode()
        names = [n for known, n in self._by_hash.items() if hmac.compare_digest(known, found)]
        return names[0] if names else None
