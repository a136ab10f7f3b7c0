"""Which version answers a unit: a salted hash, so that a unit keeps its arm within one canary."""

from hashlib import blake2b


def bucket(unit: str, salt: str) -> float:
    """Return a point in [0, 100) that depends on nothing but unit and salt."""
    digest = blake2b(unit.encode(), digest_size=8, key=salt.encode()[:64]).digest()
    return int.from_bytes(digest) / 2**64 * 100.0


def in_canary(unit: str, salt: str, share_pct: float) -> bool:
    """Say whether the canary answers this unit at this share."""
    return share_pct > 0.0 and bucket(unit, salt) < share_pct
