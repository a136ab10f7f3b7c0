"""Ten thousand malformed requests: each is refused with a reason, nobody else notices any."""

import json
import random
import socket
import threading

from tests.box import Box, row
from tests.malformed import Malformed, malformed

CLIENTS = 4
REFUSED = 10_000 // CLIENTS
MOST_LOGGED = 64 * 1024


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
    size = 0 if headless else int(lines[b"content-length"])
    while len(rest) < size:
        part = link.recv(65536)
        assert part, "hung up within an answer"
        rest += part
    stays = lines.get(b"connection", b"") != b"close"
    return status, rest[:size], rest[size:], stays


class Fuzzer(threading.Thread):
    """One client that sends malformed requests over a connection it keeps while it may."""

    def __init__(self, box: Box, seed: int) -> None:
        super().__init__(daemon=True)
        self.refused = 0
        self.predicted = 0
        self.wrong: list[str] = []
        self._box = box
        self._draw = random.Random(seed)

    def run(self) -> None:
        link = self._link()
        while self.refused < REFUSED and len(self.wrong) < 10:
            sent = malformed(self._draw)
            try:
                if sent.kept and not self._keep(link, sent):
                    link.close()
                    link = self._link()
                elif not sent.kept:
                    self._throw(sent)
            except (OSError, AssertionError, ValueError, KeyError) as fault:
                self.wrong.append(f"{fault!r} to {sent.content[:3000]!r}")
                link.close()
                link = self._link()
        link.close()

    def _link(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._box.port), timeout=60)

    def _keep(self, link: socket.socket, sent: Malformed) -> bool:
        """Send whole HTTP and look at its answer; say whether the connection stays."""
        link.sendall(sent.content)
        status, body, rest, stays = read_answer(link, b"", headless=sent.method == "HEAD")
        assert rest == b"", rest
        if sent.method != "HEAD":
            self._look(status, body, sent.path)
        return stays

    def _throw(self, sent: Malformed) -> None:
        """Send what is no whole HTTP and hang up; every answer that came back is looked at."""
        with self._link() as link:
            link.sendall(sent.content)
            link.shutdown(socket.SHUT_WR)
            content = b""
            while part := link.recv(65536):
                content += part
        seen = self.predicted
        while content:
            status, body, content, _ = read_answer(link, content, headless=False)
            self._look(status, body, sent.path)
        self.refused += self.predicted == seen

    def _look(self, status: int, body: bytes, path: str) -> None:
        if status == 200:
            answer = json.loads(body)
            self.predicted += len(answer.get("predictions", []))
            self.predicted += answer["outputs"][0]["shape"][0] if "outputs" in answer else 0
            return
        assert 400 <= status < 500, status
        error = json.loads(body)["error"]
        assert list(json.loads(body)) == ["error"]
        text = error if isinstance(error, str) else error["message"]
        assert isinstance(error, str) or list(error) == ["code", "message", "field"]
        assert 10 < len(text) < 1000
        assert "Traceback" not in text
        self.refused += 1


def test_ten_thousand_malformed_requests_are_refused_and_leave_no_trace(box: Box) -> None:
    before, pid = box.predict(row("same"))[1]["predictions"][0], box.pid("serve")
    said = (box.path / "logs" / "serving.log").stat().st_size
    fuzzers = [Fuzzer(box, seed) for seed in range(CLIENTS)]
    for fuzzer in fuzzers:
        fuzzer.start()
    for fuzzer in fuzzers:
        fuzzer.join(240)
    assert not [text for fuzzer in fuzzers for text in fuzzer.wrong]
    assert sum(fuzzer.refused for fuzzer in fuzzers) >= CLIENTS * REFUSED
    assert box.pid("serve") == pid
    status, answer = box.predict(row("same"))
    assert (status, answer["logged"]) == (200, True)
    assert answer["predictions"][0]["score"] == before["score"]
    log = (box.path / "logs" / "serving.log").read_bytes()[said:]
    assert len(log) < MOST_LOGGED, log[:2000]
    box.down()
    # Of one that hung up before its answer, rows may be logged too.
    predicted = sum(fuzzer.predicted for fuzzer in fuzzers)
    counts = "select count(*), count(distinct prediction_id) from predictions"
    ((rows, ids),) = box.query(counts)
    assert rows == ids
    assert rows >= predicted + 2
