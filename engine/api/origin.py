"""Who a caller is, by the machine's name, and where it sits: its terminal, its address by SSH."""

import ipaddress
import os
import pwd
from pathlib import Path

from engine.ledger.change import Actor

# Terminals of pseudo-terminals have these major numbers in Linux, 256 minor ones each.
_PTS = range(136, 144)


def user_of(uid: int) -> str:
    """Return the name of a user, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def this_user() -> Actor:
    """Return who runs this very process: by the kernel's word, not by that of the environment."""
    uid, pid = os.getuid(), os.getpid()
    return Actor("human", user_of(uid), uid, pid, tty_of(pid), ssh_of(pid))


def tty_of(pid: int) -> str | None:
    """Return the controlling terminal of a process as in /dev, None where it has none."""
    try:
        # The name of the process comes second, in brackets, and may hold anything.
        rest = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        number = int(rest[4])
    except (OSError, ValueError, IndexError):
        return None
    major, minor = (number >> 8) & 0xFFF, (number & 0xFF) | ((number >> 12) & 0xFFF00)
    if major in _PTS:
        return f"pts/{(major - _PTS.start) * 256 + minor}"
    return f"tty{minor}" if major == 4 else None


def ssh_of(pid: int) -> str | None:
    """Return the address that a process was reached from; only what its environment says."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None  # another user's, and the engine is not root
    for entry in environment.split(b"\0"):
        if entry.startswith(b"SSH_CONNECTION="):
            try:
                said = entry.partition(b"=")[2].split(b" ")[0].decode()
                return str(ipaddress.ip_address(said.partition("%")[0]))
            except ValueError:
                return None
    return None
