"""Where the processes of a workspace listen, as the kernel has it."""

import os
from contextlib import suppress
from pathlib import Path

from tests.box import Box

LISTENS = "0A"


def sockets(pid: int) -> set[str]:
    """Return the inodes of the sockets that a process has open."""
    found = set()
    with suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                target = str(Path(entry.path).readlink())
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found


def listening(box: Box) -> set[str]:
    """Return every address, and every path, on which a process of the workspace listens."""
    own = set().union(*(sockets(pid) for pid in box.processes()))
    found = set()
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
            words = line.split()
            if words[9] in own and (words[3] == LISTENS or kind.startswith("udp")):
                found.add(f"{kind} {words[1]}")
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        words = line.split()
        if words[6] in own and words[3] == "00010000":
            found.add(words[7] if len(words) > 7 else "a socket without a name")
    return found


def expected(box: Box) -> set[str]:
    """Return where they may: one port of this machine's own, and two files of the workspace."""
    run = box.path / "run"
    return {f"tcp 0100007F:{box.port:04X}", str(run / "engine.sock"), str(run / "serving.sock")}


def refused(box: Box, wide: str) -> list[str]:
    """Have a stopped workspace listen for others without a token; return what did not refuse."""
    config = box.path / "cdml.toml"
    before = config.read_text()
    config.write_text(before.replace(f"127.0.0.1:{box.port}", f"{wide}:{box.port}"))
    found = []
    for words in (["up"], ["up", "--foreground"]):
        run = box.run(*words, code=None)
        refusal = run.returncode == 4 and "token" in run.stderr
        found += (
            [] if refusal and not box.processes() else [f"{wide}: {run.returncode} {run.stderr}"]
        )
    config.write_text(before)
    return found
