"""What is wrong with a request as HTTP, before any rule of ours."""

from collections.abc import MutableMapping
from typing import Any

from engine.wire import MAX_BODY

Message = MutableMapping[str, Any]


class HttpError(Exception):
    """A fault of the request as HTTP, before any rule of ours."""

    def __init__(
        self, status: int, code: str, message: str, headers: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or []


def check_announced(headers: dict[bytes, bytes]) -> None:
    """Raise HttpError for a body that is refused by what its headers say."""
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise HttpError(
            415,
            "content_encoding",
            "Reading the body: it is compressed. Send it plain.",
            [(b"connection", b"close")],
        )
    length = headers.get(b"content-length", b"0")
    if len(length) > 12 or not length.isdigit() or int(length) > MAX_BODY:
        raise too_large()


def require(scope: Message, method: str) -> None:
    """Raise HttpError where a path is asked otherwise than it takes."""
    if scope["method"] != method:
        raise HttpError(
            405,
            "wrong_method",
            f"{scope['method'][:20]} {scope['path'][:80]}: this path takes {method} only.",
            [(b"allow", method.encode())],
        )


def too_large() -> HttpError:
    """Return the refusal of a body that is too large."""
    return HttpError(
        413,
        "body_too_large",
        f"Reading the body: it is larger than {MAX_BODY} bytes. Send fewer rows at once.",
        [(b"connection", b"close")],
    )


def no_such_path() -> HttpError:
    """Return the refusal of a path that does not exist."""
    return HttpError(
        404,
        "unknown_path",
        "Looking for this path: there is none. Predict at /v1/models/MODEL/predict; the others "
        "are listed at /openapi.json.",
    )


def from_a_page() -> HttpError:
    """Return the refusal of what a page in a browser sends, where nobody needs a token."""
    return HttpError(
        403,
        "from_a_page",
        "Answering the request: a page in a browser sends it, and nobody needs a token here, so "
        "any page could. Make one with cdml token new NAME.",
    )
