"""Malformed requests by the thousand to both ports: who sends them, and what came back."""

import json
import random
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path

from tests.box import Box, row
from tests.malformed import (
    CONTROL,
    CONTROL_PATHS,
    PATHS,
    PREDICT,
    RIGHT,
    Malformed,
    malformed,
    tricks,
)

CLIENTS = 4
MOST_LOGGED = 64 * 1024
SLOW_S = 60.0


@dataclass(slots=True)
class Fuzzed:
    """What came of it: requests refused, rows predicted by chance, what was wrong, bytes logged."""

    refused: int = 0
    predicted: int = 0
    wrong: list[str] = field(default_factory=list)
    logged: int = 0


def read_answer(
    link: socket.socket, before: bytes, *, headless: bool
) -> tuple[int, bytes, bytes, bool]:
    """Read one answer: its status, its body, what came after it, and whether the link stays."""
    content = before
    while b"\r\n\r\n" not in content:
        part = link.recv(65536)
        assert part, f"hung up after {content[:200]!r}"
        content += part
    head, _, rest = content.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    if status == 100:
        return read_answer(link, rest, headless=headless)
    size = 0 if headless else int(lines.get(b"content-length", b"0"))
    while len(rest) < size:
        part = link.recv(65536)
        assert part, "hung up within an answer"
        rest += part
    stays = lines.get(b"connection", b"") != b"close"
    return status, rest[:size], rest[size:], stays


class Fuzzer(threading.Thread):
    """One client that sends malformed requests over a connection it keeps while it may."""

    def __init__(self, where: int | Path, seed: int, count: int) -> None:
        super().__init__(daemon=True)
        self.found = Fuzzed()
        self._where = where
        self._count = count
        self._draw = random.Random(seed)
        self._right, self._paths = (
            (RIGHT, PATHS) if isinstance(where, int) else (CONTROL, CONTROL_PATHS)
        )

    def run(self) -> None:
        found, link = self.found, self._link()
        while found.refused < self._count and len(found.wrong) < 10:
            sent = malformed(self._draw, self._right, self._paths)
            try:
                if sent.kept and not self._keep(link, sent):
                    link.close()
                    link = self._link()
                elif not sent.kept:
                    self._throw(sent)
            except (OSError, AssertionError, ValueError, KeyError) as fault:
                found.wrong.append(f"{fault!r} to {sent.content[:3000]!r}")
                link.close()
                link = self._link()
        link.close()

    def _link(self) -> socket.socket:
        return linked(self._where)

    def _keep(self, link: socket.socket, sent: Malformed) -> bool:
        """Send whole HTTP and look at its answer; say whether the connection stays."""
        link.sendall(sent.content)
        status, body, rest, stays = read_answer(link, b"", headless=sent.method == "HEAD")
        assert rest == b"", rest
        if sent.method not in ("HEAD", "OPTIONS"):
            self._look(status, body)
        return stays

    def _throw(self, sent: Malformed) -> None:
        """Send what is no whole HTTP and hang up; every answer that came back is looked at."""
        with self._link() as link:
            link.sendall(sent.content)
            link.shutdown(socket.SHUT_WR)
            content = b""
            while part := link.recv(65536):
                content += part
        found = self.found
        seen = found.predicted
        while content:
            status, body, content, _ = read_answer(link, content, headless=False)
            self._look(status, body)
        found.refused += found.predicted == seen

    def _look(self, status: int, body: bytes) -> None:
        if status == 200:
            answer = json.loads(body)
            self.found.predicted += len(answer.get("predictions", []))
            self.found.predicted += answer["outputs"][0]["shape"][0] if "outputs" in answer else 0
            return
        refusal(status, body)
        self.found.refused += 1


def linked(where: int | Path) -> socket.socket:
    """Connect with the prediction port, or with the control socket."""
    if isinstance(where, int):
        return socket.create_connection(("127.0.0.1", where), timeout=SLOW_S)
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(SLOW_S)
    link.connect(str(where))
    return link


def refusal(status: int, body: bytes) -> None:
    """See that an answer is a 4xx with a sentence of ours."""
    assert 400 <= status < 500, status
    error = json.loads(body)["error"]
    assert list(json.loads(body)) == ["error"]
    text = error if isinstance(error, str) else error["message"]
    assert isinstance(error, str) or list(error) == ["code", "message", "field"]
    assert 10 < len(text) < 1000, text
    assert "Traceback" not in text


def tricked(where: int | Path) -> Fuzzed:
    """Send every trick: one refusal each, and the link is closed, so that nothing follows it."""
    found = Fuzzed()
    path = PREDICT if isinstance(where, int) else next(iter(CONTROL))
    body = json.dumps((RIGHT if isinstance(where, int) else CONTROL)[path]).encode()
    for name, content in tricks(path, body).items():
        try:
            found.refused += _closed_after(where, content)
        except (OSError, AssertionError, ValueError) as fault:
            found.wrong.append(f"{name}: {fault!r}")
    return found


def _closed_after(where: int | Path, content: bytes) -> int:
    """Return 1 where an attempt was refused and the connection closed; else say what was wrong."""
    with linked(where) as link:
        answer = b""
        try:
            link.sendall(content)
            while part := link.recv(65536):
                answer += part
        except (BrokenPipeError, ConnectionResetError):
            pass  # it hung up before it had read all; what it said may be lost by that
        if answer:
            assert answer.count(b"HTTP/1.1 ") == 1, answer[:300]
            head, _, body = answer.partition(b"\r\n\r\n")
            refusal(int(head.split(b" ", 2)[1]), body)
    return 1


def fuzzed(box: Box, count: int) -> dict[str, Fuzzed]:
    """Send so many malformed requests to each port of a running workspace; all else goes on."""
    before, pids = box.predict(row("same"))[1]["predictions"][0], box.processes()
    found = {}
    ports: dict[str, int | Path] = {"serving": box.port, "engine": box.control.socket}
    for name, where in ports.items():
        log = box.path / "logs" / f"{name}.log"
        said = log.stat().st_size
        fuzzers = [Fuzzer(where, seed, count // CLIENTS) for seed in range(CLIENTS)]
        for fuzzer in fuzzers:
            fuzzer.start()
        for fuzzer in fuzzers:
            fuzzer.join(240)
        parts = [fuzzer.found for fuzzer in fuzzers] + [tricked(where)]
        new = log.read_bytes()[said:]
        whole = Fuzzed(
            sum(p.refused for p in parts), sum(p.predicted for p in parts),
            [text for p in parts for text in p.wrong], len(new),
        )  # fmt: skip
        if whole.refused < count:
            whole.wrong.append(f"{name} refused {whole.refused} of {count}")
        whole.wrong += [f"{name} logged {len(new)} bytes"] if len(new) >= MOST_LOGGED else []
        whole.wrong += [f"{name} logged a traceback"] if b'"where"' in new else []
        whole.wrong += [f"{name}: {new[:500]!r}"] if whole.wrong and new else []
        found[name] = whole
    wrong = found["serving"].wrong
    wrong += [] if box.processes() == pids else [f"{pids} became {box.processes()}"]
    status, answer = box.predict(row("same"))
    if (status, answer["logged"]) != (200, True):
        wrong.append(f"answered {status} after it")
    elif answer["predictions"][0]["score"] != before["score"]:
        wrong.append("a row is answered otherwise after it")
    return found


def recorded(box: Box, found: dict[str, Fuzzed]) -> list[str]:
    """Stop, and return what is wrong in the record: each row predicted is there once."""
    box.down()
    # Of one that hung up before its answer, rows may be logged too.
    counts = "select count(*), count(distinct prediction_id) from predictions"
    ((rows, ids),) = box.query(counts)
    known = found["serving"].predicted + 2
    return [] if rows == ids and rows >= known else [f"{rows} rows, {ids} ids, {known} answered"]
