"""A small webhook behind HTTPS, for tests: it answers with what a function makes of the question."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from apiserver.pki import Authority

Answer = Callable[[dict[str, Any]], Any]


@dataclass
class Asked:
    """A question as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class WebhookServer:
    """`answer` may be replaced at any time.  What it returns is sent as JSON, bytes as they are; a pair begins with
    the HTTP status.  It may be a function that is given the handler, to do worse things."""

    url: str
    ca_pem: bytes
    answer: Answer
    asked: list[Asked] = field(default_factory=list)
    worse: Callable[[BaseHTTPRequestHandler], None] | None = None
    connections: int = 0

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def ca_bundle(self) -> str:
        return base64.b64encode(self.ca_pem).decode()

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What AdmissionReviews asked."""
        return [asked.body["request"] for asked in self.asked]


def allow(review: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The answer of an admission webhook that has nothing against it."""
    return {**review, "response": {"uid": review["request"]["uid"], "allowed": True, **more}}


def deny(review: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {**review, "response": {"uid": review["request"]["uid"], "allowed": False, "status": status}}


def patch(review: dict[str, Any], *operations: dict[str, Any]) -> dict[str, Any]:
    encoded = base64.b64encode(json.dumps(operations).encode()).decode()
    return allow(review, patchType="JSONPatch", patch=encoded)


@contextlib.contextmanager
def serving(folder: Path, answer: Answer = allow, hosts: tuple[str, ...] = ("127.0.0.1",)) -> Iterator[WebhookServer]:
    """A webhook whose certificate, for `hosts`, is signed by a CA kept in `folder`."""
    authority = Authority(folder)
    pair = authority.issue("webhook", "webhook", hosts=hosts, client=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            webhook.connections += 1
            super().setup()

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            asked = Asked(self.path, dict(self.headers), json.loads(content))
            webhook.asked.append(asked)
            if webhook.worse is not None:
                webhook.worse(self)
                return
            said = webhook.answer(asked.body)
            status, said = said if isinstance(said, tuple) else (200, said)
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(said, bytes) else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests look at `asked`."""

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def finish_request(self, request: Any, client_address: Any) -> None:
            request.settimeout(60)  # longer than the API server keeps one idle; the end waits for every connection
            # A client that trusts it not, or has left, is nothing to shout about.
            with contextlib.suppress(OSError), context.wrap_socket(request, server_side=True) as connection:
                connections.add(connection)
                super().finish_request(connection, client_address)

    connections: weakref.WeakSet[ssl.SSLSocket] = weakref.WeakSet()
    server = Server(("127.0.0.1", 0), Handler)
    webhook = WebhookServer(f"https://127.0.0.1:{server.server_address[1]}", authority.ca_pem, answer)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield webhook
    finally:
        server.shutdown()
        for connection in list(connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # what waits there for another question ends
        server.server_close()
        thread.join()
