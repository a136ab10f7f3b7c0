"""Bearer tokens of the prediction port: keys/tokens.json holds their hashes, never a token.

Where the file names none, the port is open to this machine; where it cannot be read, to nobody.
"""

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from engine.errors import (
    CorruptError,
    InvalidError,
    RefusedError,
    UnavailableError,
    UnknownError,
)
from engine.quantities import address, is_loopback

PREFIX = "cdml_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One token: whose it is, the hash it is known by, since when."""

    name: str
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    since: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. Nothing is left out of it: a slip must not read as "no tokens"."""

    tokens: list[Token]


def digest(secret: str) -> str:
    """Return the hash that a token is known by; its 256 random bits need no salt."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def read(path: Path) -> list[Token]:
    """Read the tokens; CorruptError where the file is not one of ours."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File).tokens
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as e:
        raise CorruptError(
            f'Reading the tokens in "{path}": {e}. Nobody is let in until that is mended: restore '
            "the file from a backup, or remove it and make new tokens with cdml token new NAME.",
            code="tokens_unreadable",
        ) from None


def add(path: Path, name: str, secret: str, since: str) -> None:
    """Store the hash of a new token under a name that has none yet."""
    if not _NAME.fullmatch(name):
        raise InvalidError(
            f'Making a token for "{name[:70]}": a name has 1 to 64 letters, digits, dots, _ and -.',
            code="bad_name",
            field="name",
        )
    with _alone(path):
        known = read(path)
        if any(token.name == name for token in known):
            raise InvalidError(
                f'Making a token for "{name}": it has one already. Revoke that first, with '
                f"cdml token revoke {name}, or take another name.",
                code="name_taken",
                field="name",
            )
        _write(path, [*known, Token(name, digest(secret), since)])


def remove(path: Path, name: str) -> int:
    """Forget the token of a name; return how many are left. UnknownError where there is none."""
    with _alone(path):
        known = read(path)
        kept = [token for token in known if token.name != name]
        if len(kept) == len(known):
            names = ", ".join(token.name for token in known) or "none yet"
            raise UnknownError(
                f'Revoking the token of "{name[:70]}": there is none. Known: {names}.',
                code="unknown_token",
                field="name",
            )
        _write(path, kept)
        return len(kept)


def check_reach(path: Path, listen: str) -> None:
    """Raise RefusedError where others than this machine could predict without a token."""
    host, _ = address(listen)
    if not is_loopback(host) and not read(path):
        raise RefusedError(
            f'Listening on "{listen}": others than this machine reach that address, and there are '
            "no tokens to tell callers apart. Make one first, with cdml token new NAME, or listen "
            "on 127.0.0.1.",
            code="no_tokens",
            field="serving.listen",
        )


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep others from changing the file; a revoked token must not come back with a new one."""
    try:
        path.parent.mkdir(mode=0o750, exist_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as e:
        raise UnavailableError(
            f'Writing the tokens in "{path}": {e.strerror}. Nothing was changed. Give this user '
            "the right to write there, or free space, then try again.",
            code="tokens_unwritable",
        ) from e


def _write(path: Path, tokens: list[Token]) -> None:
    """Write the file whole or not at all; durable, since a revoked token must stay so."""
    part = path.with_suffix(".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "wb") as file:
        os.fchmod(file.fileno(), 0o640)
        if os.geteuid() == 0:  # the prediction service may be another user, and has to read it
            owner = path.parent.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(msgspec.json.format(msgspec.json.encode(_File(tokens))) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
