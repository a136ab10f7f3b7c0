"""The endpoint that ours is compared with: the same estimators, no contract, no log, no routing.

`python -m tests.bench.bare PORT WORKSPACE MODEL...` serves the versions that the workspace sealed.
One thread runs them; a batch is what queued while it was busy. Bodies are read with `json`.
"""

import asyncio
import json
import sys
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from threading import Condition, Thread
from typing import Any

Message = MutableMapping[str, Any]
Rows = list[list[float]]


class Bare:
    """An ASGI application that answers POST /MODEL in rows or in columns."""

    def __init__(self, estimators: dict[str, Any]) -> None:
        self._estimators = estimators
        self._queue: deque[tuple[str, Rows, asyncio.Future[list[float]]]] = deque()
        self._changed = Condition()
        Thread(target=self._run, daemon=True).start()

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        message = await receive()
        content = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            content += message.get("body", b"")
        if scope["method"] == "POST":
            scores = await self._answered(scope["path"][1:], _rows(json.loads(content)))
            body = json.dumps({"predictions": [{"score": score} for score in scores]}).encode()
        else:
            body = b"{}"
        length = b"%d" % len(body)
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _answered(self, model: str, rows: Rows) -> "asyncio.Future[list[float]]":
        future: asyncio.Future[list[float]] = asyncio.get_running_loop().create_future()
        with self._changed:
            self._queue.append((model, rows, future))
            self._changed.notify()
        return future

    def _run(self) -> None:
        import numpy as np

        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue)
                batch = list(self._queue)
                self._queue.clear()
            for model in {name for name, _, _ in batch}:
                mine = [(rows, future) for name, rows, future in batch if name == model]
                matrix = np.array([row for rows, _ in mine for row in rows])
                scores = self._estimators[model].predict_proba(matrix)[:, 1].tolist()
                mine[0][1].get_loop().call_soon_threadsafe(_deliver, mine, scores)


def _rows(body: dict[str, Any]) -> Rows:
    if "rows" in body:
        return [list(row["features"].values()) for row in body["rows"]]
    columns = [tensor["data"] for tensor in body["inputs"]]
    return [list(row) for row in zip(*columns, strict=True)]


def _deliver(batch: list[tuple[Rows, "asyncio.Future[list[float]]"]], scores: list[float]) -> None:
    at = 0
    for rows, future in batch:
        if not future.done():
            future.set_result(scores[at : at + len(rows)])
        at += len(rows)


def _estimators(root: Path, models: list[str]) -> dict[str, Any]:
    """Load what serving loads."""
    from engine.artifacts import Artifacts
    from engine.ledger.ledger import Ledger
    from engine.workspace import Workspace

    workspace = Workspace(root)
    ledger = Ledger(workspace.ledger, readonly=True)
    artifacts = Artifacts(workspace.artifacts, workspace.keys)
    found = {}
    for model in models:
        champion = ledger.version(model, ledger.roles(model).champion or "")
        found[model] = artifacts.load(champion.manifest or "").estimator
    ledger.close()
    return found


def main(port: int, root: Path, models: list[str]) -> None:
    """Serve until told to stop; server and loop are those of the prediction port."""
    import uvicorn

    app = Bare(_estimators(root, models))
    uvicorn.run(
        app, host="127.0.0.1", port=port, http="httptools", loop="uvloop", ws="none",
        lifespan="off", log_config=None, access_log=False, proxy_headers=False,
        server_header=False, date_header=False,
    )  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
