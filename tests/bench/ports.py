"""A free port, and waiting until a server that was started there answers."""

import contextlib
import http.client
import socket
import subprocess
import sys
import time

START_S = 30.0


def free_port() -> int:
    """Return a port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_for(port: int, path: str, server: "subprocess.Popen[bytes]") -> None:
    """Wait until a server answers a path with 200; exit where it does not in time."""
    end = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < end:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=1)) as link:
            try:
                link.request("GET", path)
                if link.getresponse().status == 200:
                    return
            except OSError:
                pass
        time.sleep(0.05)
    sys.exit(f"{server.args!s:.200} did not start")
