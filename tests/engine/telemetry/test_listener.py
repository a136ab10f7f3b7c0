"""The engine's port for Prometheus: /metrics there, nothing else, and no reader can hold it up."""

import socket

import httpx
import pytest

from engine.errors import InvalidError, UnavailableError
from engine.settings_telemetry import TelemetrySettings
from engine.telemetry import listener
from engine.telemetry.listener import Listener
from tests.box import free_port


def test_it_shows_the_numbers_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "SLOW_S", 0.5)
    place = f"127.0.0.1:{free_port()}"
    shown = Listener(place, lambda: b"cdml_generation 1.0\n")
    try:
        with pytest.raises(UnavailableError, match="Free the port"):
            Listener(place, lambda: b"")
        # Somebody who connects and says nothing is left after a while.
        there = ("127.0.0.1", int(place.rpartition(":")[2]))
        with socket.create_connection(there), socket.create_connection(there) as slow:
            slow.sendall(b"GET /metrics HTTP/1.1\r\nx: ")
            answer = httpx.get(f"http://{place}/metrics", timeout=10.0)
        assert answer.content == b"cdml_generation 1.0\n"
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert httpx.get(f"http://{place}/api/v1/status").status_code == 404
        assert httpx.post(f"http://{place}/metrics").status_code == 501
    finally:
        shown.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{place}/metrics")


@pytest.mark.parametrize("listen", ["0.0.0.0:9464", "[::]:9464", "192.0.2.1:9464", "9464"])
def test_no_address_beyond_this_machine_is_taken(listen: str) -> None:
    with pytest.raises(InvalidError):
        TelemetrySettings(listen=listen)
