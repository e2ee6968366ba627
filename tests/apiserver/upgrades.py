"""A client that asks for an upgrade, and reads what comes after it."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator

import httpx

from tests.apiserver.conftest import ApiServer

UPGRADE = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}


@contextlib.contextmanager
def asking(server: ApiServer, path: str, **headers: str) -> Iterator[ssl.SSLSocket]:
    """A connection on which a POST has been sent."""
    url = httpx.URL(server.url)
    sent = {"Host": url.netloc.decode(), "Authorization": "Bearer admintoken", "Content-Length": "0", **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
    with (
        socket.create_connection((url.host, url.port or 443), timeout=60) as plain,
        server.trust().wrap_socket(plain, server_hostname=url.host) as talking,
    ):
        talking.sendall("\r\n".join(lines).encode())
        yield talking


def read_until(talking: ssl.SSLSocket, end: bytes) -> bytes:
    found = b""
    while not found.endswith(end):
        data = talking.recv(65536)
        assert data, f"the connection ended after {found!r}"
        found += data
    return found
