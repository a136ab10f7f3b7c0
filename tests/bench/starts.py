"""How soon three models answer after a start, and the memory that they take."""

import contextlib
import http.client
import json
import time
from threading import Thread

from tests.bench.figure import Figure, median
from tests.bench.process import family, memory_mib
from tests.bench.trio import RECIPES, Trio, row_body, rows

STARTS = 5
PATIENCE_S = 30.0


def measure(trio: Trio) -> list[Figure]:
    """Stop and start some times; correct is an answer that was given before, to the last digit."""
    body = row_body(rows(1))
    before = {model: _score(trio.port, model, body) for model in RECIPES}
    ready = [_start(trio, body, before) for _ in range(STARTS)]
    members = family(trio.serving_pid)
    memory = sum(memory_mib(pid) for pid in members)
    return [
        median("`cdml up` to a correct answer by each of three models", ready, "s", 2.5),
        Figure("serving resident with three models, fresh", memory, "MiB", len(members), 200),
    ]


def _start(trio: Trio, body: bytes, expected: dict[str, float | None]) -> float:
    trio.down()
    began = time.monotonic()
    starting = Thread(target=trio.up)
    starting.start()
    for model, score in expected.items():
        while _score(trio.port, model, body) != score:
            if time.monotonic() - began > PATIENCE_S:
                raise TimeoutError(f"{model} did not answer as before")
            time.sleep(0.01)
    ready = time.monotonic() - began
    starting.join()
    return ready


def _score(port: int, model: str, body: bytes) -> float | None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as link:
        try:
            link.request(
                "POST", f"/v1/models/{model}/predict", body, {"content-type": "application/json"}
            )
            answer = link.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            return None
        found: float = (
            json.loads(content)["predictions"][0]["score"] if answer.status == 200 else -1
        )
        return found
