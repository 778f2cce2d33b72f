"""A real exporter sends spans to a collector that keeps what it gets: they follow identifiers, and hold no name and no value."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
# A process of its own, for a process has one place its spans go to.
PROGRAM = """
import asyncio, sys
from gateway.metrics import Watch
from gateway.tracing import begin_traces, end_traces, span

async def app(scope, receive, send):
    with span("decide", decision_id="d" * 32):
        pass
    if scope["path"] == "/fails":
        raise ValueError("Margaret Whitcombe")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})

def scope(path, **parameters):
    headers = [(b"traceparent", sys.argv[2].encode()), (b"user-agent", b"Whitcombe")]
    return {"type": "http", "method": "GET", "path": path, "query_string": b"text=Whitcombe", "headers": headers,
            "path_params": parameters, "root_path": ""}

async def ask(path, **parameters):
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}
    async def send(message):
        pass
    await Watch(app)(scope(path, **parameters), receive, send)

begin_traces(sys.argv[1], "sallyport-test")
asyncio.run(ask("/v1/leases/" + "a" * 32, lease="a" * 32))
asyncio.run(ask("/v1/people/Whitcombe", person="Whitcombe"))
asyncio.run(ask("/fails"))
end_traces()
"""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Any]]]:
    got: list[Any] = []

    class Keeps(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            got.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keeps)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", got
    server.shutdown()


def run(url: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, url, PARENT], capture_output=True, text=True, timeout=60, check=False, env=clean
    )


def test_a_request_and_its_decision_are_spans_of_the_callers_trace_without_names(collector: tuple[str, list[Any]]) -> None:
    url, got = collector
    done = run(url)
    assert done.returncode == 0, done.stderr
    spans = [one for message in got for about in message.resource_spans for scope in about.scope_spans for one in scope.spans]
    assert {span.trace_id.hex() for span in spans} == {PARENT.split("-")[1]}
    requests = [span for span in spans if span.name.startswith("GET ")]
    decisions = [span for span in spans if span.name == "decide"]
    assert len(requests) == len(decisions) == 3
    assert {span.parent_span_id for span in requests} == {bytes.fromhex(PARENT.split("-")[2])}
    assert {span.parent_span_id for span in decisions} == {span.span_id for span in requests}
    said = [{one.key: one.value.string_value or one.value.int_value for one in span.attributes} for span in requests]
    assert said[0]["sallyport.lease"] == "a" * 32 and said[0]["http.response.status_code"] == 200
    assert "sallyport.person" not in said[1] and said[2]["http.response.status_code"] == 500
    assert {one.value.string_value for span in decisions for one in span.attributes} == {"d" * 32}
    assert not [message for message in got if b"Whitcombe" in message.SerializeToString()]
    (service,) = {one.value.string_value for about in got[0].resource_spans for one in about.resource.attributes
                  if one.key == "service.name"}  # fmt: skip
    assert service == "sallyport-test"


def test_a_collector_that_is_down_loses_spans_and_nothing_else() -> None:
    done = run("http://127.0.0.1:9")
    assert done.returncode == 0
    assert "Whitcombe" not in json.dumps([done.stdout, done.stderr])
