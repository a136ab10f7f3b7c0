"""What the head of a request says: its headers, its route, what a trace is told of it."""

from collections.abc import Mapping
from typing import Any

# The name that whoever asks gave to a request: in answers, logs and traces it has that name.
REQUEST = b"x-request-id"
MAX_CLIENT_ID = 128
Message = Mapping[str, Any]


def header(scope: Message, name: bytes) -> bytes:
    """Return a header that a client sent, cut to a bearable length; empty where there is none."""
    found: bytes = next((value for key, value in scope["headers"] if key == name), b"")
    return found[:MAX_CLIENT_ID]


def route_of(path: list[str]) -> str:
    """Return the route of a path, with a place for the model; empty where there is none such."""
    match path:
        case [("v1" | "v2") as api, "models", _, ("predict" | "labels" | "infer") as verb]:
            return f"/{api}/models/{{model}}/{verb}"
        case _:
            return ""


def told_of(scope: Message, route: str, status: int) -> dict[str, str | int | float | bool]:
    """Return what a trace says of a request, by the names that OpenTelemetry gives these."""
    found: dict[str, str | int | float | bool] = {
        "http.request.method": scope["method"],
        "http.route": route,
        "url.path": scope["path"][:MAX_CLIENT_ID],
        "url.scheme": scope.get("scheme", "http"),
        "http.response.status_code": status,
    }
    if request := header(scope, REQUEST):
        found["cdml.request"] = request.decode("latin-1")
    if status >= 500:
        found["error.type"] = str(status)
    return found
