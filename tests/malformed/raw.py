"""HTTP by hand: bytes over TLS, and the answers that come back."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Iterator

from tests.apiserver.conftest import ApiServer

DEADLINE = 60.0  # seconds; no answer at all is a failure
TOKEN = b"Authorization: Bearer admintoken\r\n"


@contextlib.contextmanager
def connection(server: ApiServer) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as plain,
        server.trust().wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        yield secure


def request(method: bytes, path: bytes, headers: bytes = b"", body: bytes = b"", version: bytes = b"1.1") -> bytes:
    """A request of the administrator; the length of a body is said, unless there is none."""
    if body:
        headers += b"Content-Length: %d\r\n" % len(body)
    return b"%s %s HTTP/%s\r\nHost: x\r\n%s%s\r\n%s" % (method, path, version, TOKEN, headers, body)


def answer(sock: ssl.SSLSocket, method: str = "GET") -> tuple[int, bytes]:
    """Status and body of the next answer.  Raises http.client.HTTPException when there comes none."""
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    with response:
        return response.status, response.read()


def exchange(server: ApiServer, data: bytes, method: str = "GET") -> tuple[int, bytes]:
    """What one connection answers to some bytes; status 0 when the server just ends it."""
    with connection(server) as sock:
        with contextlib.suppress(ConnectionError, ssl.SSLError):  # it may have heard enough
            sock.sendall(data)
        try:
            return answer(sock, method)
        except (ConnectionError, http.client.HTTPException, ssl.SSLError):
            return 0, b""
