"""A collector of OTLP/HTTP that decodes what it is handed, and may refuse at first."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Receiver(HTTPServer):
    """Keeps spans, numbers and headers."""

    allow_reuse_address = True

    def __init__(self, port: int = 0) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        self.numbers: dict[str, Any] = {}
        self.headers: list[Any] = []
        super().__init__(("127.0.0.1", port), Handler)
        self.base = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def end(self) -> None:
        self.shutdown()
        self.server_close()

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.headers.append(self.headers)
        if self.path == "/v1/traces":
            for one in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.server.services.add(about(one.resource)["service.name"])
                self.server.spans += [s for scope in one.scope_spans for s in scope.spans]
        else:
            for one in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in one.scope_metrics:
                    self.server.numbers |= {m.name: m for m in scope.metrics}
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def about(of: Any) -> dict[str, Any]:
    """Return the attributes of a span, a point or a resource."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in of.attributes}
