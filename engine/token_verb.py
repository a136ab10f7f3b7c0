"""`cdml token`: who may call the prediction port. Works with and without a running engine."""

import secrets
import sys
from pathlib import Path

import msgspec

from engine import tokens
from engine.api.origin import this_user
from engine.clock import SystemClock, iso
from engine.errors import CdmlError, RefusedError
from engine.exits import Arguments, guarded
from engine.ledger.ledger import Ledger
from engine.quantities import address, is_loopback
from engine.settings import load
from engine.workspace import Workspace

OPEN = "whoever is on this machine may predict"


def main(argv: list[str]) -> int:
    """Run `cdml token` and return its exit code."""
    return guarded(lambda: _run(argv), as_json="--json" in argv)


def _run(argv: list[str]) -> int:
    parser = Arguments(
        prog="cdml token",
        description="Tokens of the prediction port. Once there is one, every caller needs one.",
    )
    parser.add_argument("-w", "--workspace", default=".", metavar="DIR")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("what", choices=["new", "list", "revoke"])
    parser.add_argument("name", nargs="?", metavar="NAME")
    given = parser.parse_args(argv)
    if (given.name is None) != (given.what == "list"):
        parser.error("write cdml token new NAME, cdml token revoke NAME, or cdml token list")
    workspace = Workspace(Path(given.workspace)).require()
    answer, text = {"new": _new, "list": _list, "revoke": _revoke}[given.what](
        workspace, given.name or ""
    )
    if given.json:
        text = msgspec.json.encode(answer).decode()
    sys.stdout.write(text + "\n")
    return 0


def _new(workspace: Workspace, name: str) -> tuple[object, str]:
    secret = tokens.PREFIX + secrets.token_urlsafe(32)
    tokens.add(workspace.tokens, name, secret, iso(SystemClock().wall()))
    _record(workspace, "token_new", name)
    sys.stderr.write("This is shown once; only its hash is kept.\n")
    return {"name": name, "token": secret}, secret


def _list(workspace: Workspace, _: str) -> tuple[object, str]:
    known = tokens.read(workspace.tokens)
    text = "\n".join(f"{token.name}  since {token.since}" for token in known)
    return (
        [{"name": token.name, "since": token.since} for token in known],
        text or f"no tokens: {OPEN}",
    )


def _revoke(workspace: Workspace, name: str) -> tuple[object, str]:
    # Only the last one asks for cdml.toml: a slip there must not keep a token in force.
    if [token.name for token in tokens.read(workspace.tokens)] == [name]:
        host = address(load(workspace.config).serving.listen)[0]
        if not is_loopback(host):
            raise RefusedError(
                f'Revoking the token of "{name}": it is the last, and the prediction port listens '
                f"on {host}, where it would be open to anyone. Make another token first, or listen "
                "on 127.0.0.1.",
                code="last_token",
            )
    left = tokens.remove(workspace.tokens, name)
    _record(workspace, "token_revoke", name)
    after = f"{left} left" if left else f"it was the last: {OPEN}"
    return {"name": name, "left": left}, f"{name} is revoked; {after}"


def _record(workspace: Workspace, deed: str, name: str) -> None:
    """Write into the audit whose token it was; a ledger that cannot be written keeps none away."""
    if not workspace.ledger.exists():
        return
    wall = SystemClock().wall()
    try:
        ledger = Ledger(workspace.ledger)
        try:
            with ledger.change(this_user(), deed, None, now=wall, wall=wall) as change:
                change.detail["name"] = name
        finally:
            ledger.close()
    except CdmlError as e:
        sys.stderr.write(f"cdml: it is not in the audit: {e.message}\n")
