"""Who is at the other end of a Unix socket, by the kernel's word."""

import os
import socket
import struct

_THREE = struct.Struct("3i")


def credentials(peer: socket.socket) -> tuple[int, int, int]:
    """Return pid, uid and gid of whoever connected."""
    found = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _THREE.size)
    pid, uid, gid = _THREE.unpack(found)
    return pid, uid, gid


def is_ours(peer: socket.socket) -> bool:
    """Say whether it is this process's own user, or root."""
    return credentials(peer)[1] in (0, os.getuid())
