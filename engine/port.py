"""The public prediction port as a client program sees it, over one kept connection."""

import http.client
import socket
import time
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from engine.errors import CdmlError, InvalidError, RefusedError, UnavailableError, UnknownError
from engine.wire import (
    MAX_BODY,
    Label,
    LabelsAnswer,
    LabelsRequest,
    PredictAnswer,
    PredictRequest,
    PredictRow,
)

TRIES = 5
RETRY_S = 0.5
MOST_RETRY_S = 10.0
TIMEOUT_S = 30.0
_FAMILIES: dict[int, type[CdmlError]] = {401: RefusedError, 403: RefusedError, 404: UnknownError}

T = TypeVar("T")


class Port:
    """A client of the address `listen`.

    A request whose answer was lost is sent again. A row may be logged twice then; the first counts.
    """

    def __init__(self, listen: str, client: str = "", token: str = "") -> None:
        self._listen = listen
        host, _, port = listen.rpartition(":")
        self._link = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=TIMEOUT_S)
        self._headers = {"content-type": "application/json"}
        self._headers |= {"x-client-id": client} if client else {}
        self._headers |= {"authorization": f"Bearer {token}"} if token else {}

    def close(self) -> None:
        """Hang up."""
        self._link.close()

    def inputs(self, model: str) -> dict[str, str]:
        """Return the features that the champion takes, each with its datatype."""
        content = self._ask("GET", f"/v2/models/{model}", None, tries=1)
        found = _read(content, dict[str, Any])
        return {tensor["name"]: tensor["datatype"] for tensor in found["inputs"]}

    def predict(self, model: str, rows: Sequence[PredictRow]) -> PredictAnswer:
        """Ask for predictions; InvalidError where a row is refused, and then none is answered."""
        body = msgspec.json.encode(PredictRequest(list(rows)))
        if len(body) > MAX_BODY:  # it would hang up before it has read all
            raise InvalidError(
                f"Sending {len(rows)} rows: they take {len(body)} bytes, the prediction service "
                f"reads {MAX_BODY} at once. Send fewer.",
                code="body_too_large",
            )
        return _read(self._ask("POST", f"/v1/models/{model}/predict", body), PredictAnswer)

    def label(self, model: str, labels: Sequence[Label]) -> LabelsAnswer:
        """Send outcomes."""
        body = msgspec.json.encode(LabelsRequest(list(labels)))
        return _read(self._ask("POST", f"/v1/models/{model}/labels", body), LabelsAnswer)

    def _ask(self, method: str, path: str, body: bytes | None, tries: int = TRIES) -> bytes:
        """Return the body of a 200, asking again where serving is starting or too busy."""
        for left in reversed(range(tries)):
            try:
                status, wait, content = self._answer(method, path, body)
            except (OSError, http.client.HTTPException) as e:
                self._link.close()
                if not left:
                    raise UnavailableError(
                        f"Asking the prediction service at {self._listen}: it does not answer "
                        f"({e or type(e).__name__}). Start it with cdml up, or look why with "
                        "cdml status.",
                        code="serving_unreachable",
                    ) from None
                time.sleep(RETRY_S)
                continue
            if status == 200:
                return content
            if not wait or not left:
                break
            time.sleep(min(float(wait), MOST_RETRY_S))
        raise _error(status, content)

    def _answer(self, method: str, path: str, body: bytes | None) -> tuple[int, str, bytes]:
        if self._link.sock is None:
            self._connect()
        self._link.request(method, path, body, self._headers)
        answer = self._link.getresponse()
        content = answer.read()
        wait = answer.headers.get("retry-after", "")
        return answer.status, wait if wait.isdigit() else "", content

    def _connect(self) -> None:
        self._link.connect()
        self._link.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _read(content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as e:
        raise UnavailableError(
            f"Reading what the prediction service answered: {e}. Another program seems to have "
            "the port: look at serving.listen in cdml.toml.",
            code="not_serving",
        ) from None


def _error(status: int, content: bytes) -> CdmlError:
    """Return an answer's error as one of ours; the Open Inference Protocol's is a mere text."""
    found = _read(content, dict[str, Any]).get("error", "it gave no reason")
    error = found if isinstance(found, dict) else {"message": str(found)}
    usual = InvalidError if status < 500 and status not in (408, 429) else UnavailableError
    family = _FAMILIES.get(status, usual)
    return family(
        str(error.get("message")),
        code=error.get("code", f"http_{status}"),
        field=error.get("field"),
    )
