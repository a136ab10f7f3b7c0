"""The reference of the serving bench: bare uvicorn that answers one constant JSON body."""

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]


def main(port: int, size: int) -> None:
    """Answer every request with JSON of so many bytes."""
    body = b'{"answer":"' + b"x" * (size - 13) + b'"}'
    length = b"%d" % len(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]

    async def answer(
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    # As the prediction port is set up: the same server, loop and parser.
    uvicorn.run(
        answer, host="127.0.0.1", port=port, http="httptools", loop="uvloop", ws="none",
        lifespan="off", log_config=None, access_log=False, proxy_headers=False,
        server_header=False, date_header=False,
    )  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
