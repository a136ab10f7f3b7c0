"""Other users of this machine: children with a uid and groups of their own ask every route.

Root starts them; who they are is for the kernel to say, what they may for the table below.
"""

import grp
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from engine.api.peer import MOST_OF_ONE
from tests.box import Box, copied
from tests.faults.fuzz import linked
from tests.faults.intruder import Both, UnixConnection

OVER = 5
UID = 4_000_000  # nobody's on this machine
# Real groups of this machine stand for the three that cdml.toml names.
GROUPS = [g for g in grp.getgrall() if g.gr_gid not in (0, os.getgid())][:3]
ROLES = ("viewer", "operator", "admin")
MODEL = "/api/v1/models/{model}"
VIEWER = {
    *(f"GET /api/v1/{p}" for p in (
        "alerts", "alerts/{number}", "audit", "events", "events/recent", "incidents",
        "incidents/{number}", "incidents/{number}/report", "jobs", "jobs/{run}", "jobs/{run}/log",
        "notify", "openapi.json", "state", "status",
    )),
    *(f"GET {MODEL}/{p}" for p in (
        "alerts/replay", "batches", "clients", "compare", "drift", "drift/shape", "forecast", "kpi",
        "performance", "proof", "quality", "quarantine", "report", "rollout", "schema", "taints",
        "train", "versions", "versions/{version}", "versions/{version}/lineage",
        "versions/{version}/reproduction",
    )),
    "GET /metrics",
}  # fmt: skip
OPERATOR = {
    *(f"POST {MODEL}/{p}" for p in (
        "abort", "approve", "canary", "freeze", "hold", "ingest", "labels", "monitor", "note",
        "pin", "promote", "pull", "quarantine", "reject", "resume", "roll-through", "rollback",
        "schema", "taint", "thaw", "train", "undo", "unpin", "validate",
    )),
    *(f"POST /api/v1/{p}" for p in (
        "alerts/{number}/ack", "alerts/{number}/mute", "backup", "incidents/{number}",
        "jobs/{run}/cancel", "notify/test",
    )),
}  # fmt: skip
ADMIN = {"POST /api/v1/reload", "POST /api/v1/clock", "POST /api/v1/stop"}
MATRIX = {
    "viewer": VIEWER,
    "operator": VIEWER | OPERATOR,
    "admin": VIEWER | OPERATOR | ADMIN,
    "a member without a role": set[str](),
}
LAST = "POST /api/v1/stop"
HOLES = {"model": "none", "version": "v9", "run": "r9", "number": "9"}


@contextmanager
def visited(stock: Path) -> Iterator[Box]:
    """Give a running workspace that others can reach as far as its own folder lets them."""
    folder = Path(tempfile.mkdtemp(prefix="cdml-peers-"))
    folder.chmod(0o755)
    try:
        with copied(stock, folder / "box") as box:
            box.path.chmod(0o750)
            named = "\n".join(f'{r} = "{g.gr_name}"' for r, g in zip(ROLES, GROUPS, strict=True))
            config = box.path / "cdml.toml"
            config.write_text(f"{config.read_text()}\n[roles]\n{named}\n")
            box.up()
            yield box
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def as_user(uid: int, gid: int, others: list[int], do: Callable[[], Any]) -> Any:
    """Return what a function finds in a process of that user, as JSON has it."""
    read_from, write_to = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(others)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            os.write(write_to, json.dumps(do()).encode())
        except BaseException as fault:  # noqa: BLE001 - the end of a child, whatever happened in it
            os.write(write_to, json.dumps(f"{fault!r:.2000}").encode())
        finally:
            os._exit(0)
    os.close(write_to)
    with os.fdopen(read_from, "rb") as said:
        content = said.read()
    os.waitpid(child, 0)
    return json.loads(content)


def statuses(where: Path, asked: list[str]) -> list[int]:
    """Ask routes; return their statuses, 0 for no connection."""
    return [_status(where, line) for line in asked]


def _status(where: Path, line: str) -> int:
    method, _, path = line.partition(" ")
    for hole, word in HOLES.items():
        path = path.replace(f"{{{hole}}}", word)
    link = UnixConnection(where)
    try:
        link.request(method, path, b"{}" if method == "POST" else b"")
        return link.getresponse().status  # of the events, the head alone
    except PermissionError:
        return 0
    finally:
        link.close()


def routes(box: Box) -> set[str]:
    """Return every route that the running engine says it has."""
    link = UnixConnection(box.control.socket)
    link.request("GET", "/api/v1/openapi.json")
    document = json.loads(link.getresponse().read())
    link.close()
    found = {f"{m.upper()} {path}" for path, of in document["paths"].items() for m in of}
    # These two are not described as part of the API.
    return found | {"GET /metrics", "GET /api/v1/openapi.json"}


def matrix_wrong(box: Box) -> tuple[int, list[str]]:
    """Ask every route as everybody; return how often, and what is not as the table has it."""
    wrong, count, where = [], 0, box.control.socket
    everything = VIEWER | OPERATOR | ADMIN
    if routes(box) != everything:
        wrong.append(f"no row, or no route: {sorted(routes(box) ^ everything)}")
    users = {r: (UID + n, g.gr_gid) for n, (r, g) in enumerate(zip(ROLES, GROUPS, strict=True))}
    users["a member without a role"] = (UID + 9, UID)
    # Who may stop the engine does so last of all.
    for who in ("a member without a role", *ROLES):
        uid, gid = users[who]
        asked = [*sorted(everything - {LAST}), LAST]
        for line, status in zip(
            asked, as_user(uid, gid, [0], partial(statuses, where, asked)), strict=True
        ):
            count += 1
            if (status != 403) != (line in MATRIX[who]) or status in (0, 401) or status >= 500:
                wrong.append(f"{who}: {line} is {status}")
        if who == "a member without a role":
            # Whoever is not in the folder's group does not even reach the socket.
            for uid, gid in ((UID + 8, UID), (UID + 7, GROUPS[2].gr_gid)):
                reached = as_user(uid, gid, [], partial(statuses, where, asked))
                count += len(reached)
                wrong += [f"uid {uid} reached the socket"] if any(reached) else []
    return count, wrong


def serving_asked(box: Box) -> list[str]:
    """Return whom the prediction service's own socket answered: nobody but the engine's user."""
    reached = as_user(UID + 2, GROUPS[2].gr_gid, [0], partial(_stopping, box.path))
    return [] if reached is False else [f"the serving socket said to another user: {reached}"]


def _stopping(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as link:
        try:
            link.connect(str(path / "run" / "serving.sock"))
            link.sendall(b"\x0b\x00\x00\x00\x81\xa4type\xa4stop")
            return bool(link.recv(10))
        except OSError:
            return False


def control_on_the_port(box: Box) -> list[str]:
    """Ask every control route on the prediction port; return what was found there."""
    wrong = []
    with Both(box) as both:
        for line in VIEWER | OPERATOR | ADMIN:
            method, _, path = line.partition(" ")
            if path == "/metrics":
                continue  # the service's own numbers, which control nothing
            for target in (path, path.removeprefix("/api")):
                for hole, word in (*HOLES.items(), ("model", "late")):
                    target = target.replace(f"{{{hole}}}", word)
                own = target.startswith("/v1/models/") and target.endswith("/labels")
                status = both.ask("port", method, target, b"{}")[0]
                wrong += [] if status == 404 or own else [f"{method} {target} is {status}"]
    return wrong


def crowded(box: Box) -> list[str]:
    """Have one user take as many connections as it gets, and some more; those are refused."""
    refused = as_user(UID, GROUPS[0].gr_gid, [0], partial(_many, box.control.socket))
    return [] if refused == OVER else [f"of {OVER} connections too many {refused} were refused"]


def _many(where: Path) -> int:
    links = [linked(where) for _ in range(MOST_OF_ONE + OVER)]
    return sum(b" 503 " in link.recv(4096) for link in links[MOST_OF_ONE:])
