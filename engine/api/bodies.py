"""Bodies that are JSON: how large they may be, how long they may take, and what no parser likes."""

import asyncio

from litestar.exceptions import HTTPException

from engine.api.peer import Req
from engine.serving.bodies import check_json

MAX_UPLOAD = 2 * 2**30
DEADLINE_S = 10.0
# Of routes that take a file, which is received piece by piece.
FILE = "file"


async def checked(request: Req) -> None:
    """Read a body of JSON within its deadline, after the caller's role was looked at."""
    if request.method != "POST" or request.route_handler.opt.get(FILE):
        return
    try:
        async with asyncio.timeout(DEADLINE_S):
            body = await request.body()
    except TimeoutError:
        said = f"the body did not arrive within {DEADLINE_S:.0f} s. Send it faster"
        raise HTTPException(said, status_code=408) from None
    if body:
        check_json(body)
