"""The public key of a workspace, made anew from the private one where it is not its other half.

What was signed here is verified with it: damage to these 32 bytes must not keep versions unserved.
"""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.durable import replace_whole
from engine.workspace import Workspace


def mended(workspace: Workspace, wall: datetime) -> str:
    """Put the right public key back in its place and say so; an empty text where nothing is wrong.

    It is the right one only where what is signed here proves it: a foreign private key mends none.
    """
    place = workspace.keys / "public"
    ours = _other_half(workspace.keys / "private")
    found = place.read_bytes() if place.is_file() else b""
    if ours is None or found == ours.public_bytes_raw():
        return ""
    signed = list(_signed(workspace.artifacts))
    if not any(_verifies(ours, *pair) for pair in signed):
        return ""
    kept = workspace.aside / f"{wall:%Y%m%dT%H%M%S}-damaged-key"
    with suppress(FileNotFoundError):
        kept.mkdir(parents=True, exist_ok=True)
        place.rename(kept / "public")
    replace_whole(place, ours.public_bytes_raw())
    place.chmod(0o440)
    return (
        f'"keys/public" was not the key that versions here were signed with ({len(found)} bytes, '
        f"sha256 {hashlib.sha256(found).hexdigest()[:12]}). It was made anew from keys/private; "
        f'what was found is in "{kept}". Find out who can write to {workspace.keys}.'
    )


def _other_half(private: Path) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        return Ed25519PrivateKey.from_private_bytes(private.read_bytes()).public_key()
    except (OSError, ValueError):
        return None


def _signed(artifacts: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield signature and text of each signed manifest that is there whole."""
    for signature in artifacts.glob("*.sig"):
        with suppress(OSError):
            text = signature.with_suffix(".json").read_bytes()
            if hashlib.sha256(text).hexdigest() == signature.stem:
                yield signature.read_bytes(), text


def _verifies(key: Any, signature: bytes, text: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, text)
    except InvalidSignature:
        return False
    return True
