"""Case 9: a second engine on a workspace that one holds, by its path and by other ways to it."""

import hashlib
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from tests.box import CDML, ENVIRONMENT, Box, copied
from tests.faults.outcome import Case, Outcome

ENGINE = [sys.executable, "-P", "-m", "engine"]
ROUNDS = 3
SETTLED_S = 3.0
# In a mount namespace of its own: nothing of it is left when the command has ended.
BOUND = "mount --bind {of} {at} && exec {command}"


def tree(root: Path) -> dict[str, str]:
    """Return the digest of every file below a folder, and every name that is none."""
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else ""
        for p in sorted(root.rglob("*"))
    }


def settled(root: Path) -> dict[str, str]:
    """Return the digests once what the first engine does after its start is done."""
    found = tree(root)
    while True:
        time.sleep(SETTLED_S)
        found, before = tree(root), found
        if found == before:
            return found


def second_engine(stock: Path, folder: Path) -> Outcome:
    """Start a second engine by path, symlink and bind mount; the first one goes on untouched."""
    outcome = Outcome("9", "a second engine, by path, symlink and bind mount")
    with copied(stock, folder / "box") as box:
        box.up()
        link, mount = folder / "link", folder / "mount"
        link.symlink_to(box.path)
        mount.mkdir()
        ways = {"path": box.path, "symlink": link}
        if os.getuid() == 0:
            ways["bind mount"] = mount
        before, slowest = settled(box.path), dict.fromkeys(("cdml up", "engine run"), 0.0)
        for way, at in list(ways.items()) * ROUNDS:
            for name, words in (("cdml up", [*CDML, "up"]), ("engine run", [*ENGINE, "run"])):
                wrong, took = _refused([*words, "-w", str(at)], box, mount if at == mount else None)
                slowest[name] = max(slowest[name], took)
                outcome.struck([f"{name} by {way}: {text}" for text in wrong])
        after = tree(box.path)
        changed = sorted(n for n in {*before, *after} if before.get(n) != after.get(n))
        outcome.wrong += [f"changed: {', '.join(changed)}"] if changed else []
        living = sorted(box.processes().values())
        if box.predict()[0] != 200 or living != ["run", "serve", "supervise"]:
            outcome.wrong.append(f"not as before: {living} live")
        for name, took in slowest.items():
            outcome.goal(f"{name} refused after s", took, at_most=1.0)
        outcome.figures |= {"ways": len(ways), "files hashed": len(before), "changed": len(changed)}
        box.down()
    return outcome


def _refused(words: list[str], box: Box, mount: Path | None) -> tuple[list[str], float]:
    """Return what was wrong with how a second engine was refused, and how long that took."""
    if mount is not None:
        command = BOUND.format(of=box.path, at=mount, command=shlex.join(words))
        words = ["unshare", "--mount", "sh", "-c", command]
    began = time.monotonic()
    run = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    said = run.stdout + run.stderr
    wrong = [] if run.returncode == 4 else [f"exit code {run.returncode}"]
    wrong += [] if f"pid {box.pid('run')}" in said else [f"said {said[:200]}"]
    return wrong, took


CASES: dict[str, Case] = {"9": second_engine}
