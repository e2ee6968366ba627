"""Requests that are no HTTP, or HTTP that makes no sense: refused, at once, by a server that goes on."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
from typing import Any

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from apiserver import tls
from tests.apiserver.conftest import ApiServer
from tests.client.waiting import eventually, until_all_left
from tests.malformed.raw import TOKEN, answer, connection, exchange, request

MAPS = b"/api/v1/namespaces/default/configmaps"
JSON = b"Content-Type: application/json\r\n"
REFUSED = range(400, 500)
FUTURE = 504  # what Kubernetes answers to who asks for a version that is not there yet


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n\r\nnothing\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /api\r\n\r\n",
        b"GET /api HTTP/9.9\r\n\r\n",
        b"GET /api HTTP/2.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET  /api  HTTP/1.1\r\n\r\n",
        b"get /api HTTP/1.1\r\nHost: x\r\n\r\n",
        b"BREW /api HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET \x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET /api HTTP/1.1\r\n: x\r\n\r\n",
        b"GET /api HTTP/1.1\r\nA\x00B: x\r\n\r\n",
        b"GET /api HTTP/1.1\r\nA: x\x00y\r\n\r\n",
        b"GET /api HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100) + b"\r\n\r\n",
        b"\xff" * 10_000 + b"\r\n\r\n",
        b"A" * 100_000 + b"\r\n\r\n",
        request(b"POST", MAPS, JSON + b"Content-Length: -1\r\n"),
        request(b"POST", MAPS, JSON + b"Content-Length: many\r\n"),
        request(b"POST", MAPS, JSON + b"Content-Length: 99999999999999999999999\r\n"),
        request(b"POST", MAPS, JSON + b"Content-Length: 1\r\nContent-Length: 2\r\n"),
        request(b"POST", MAPS, JSON + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + b"0\r\n\r\n",
        request(b"POST", MAPS, JSON + b"Transfer-Encoding: chunked\r\n") + b"nothing\r\n",
        request(b"POST", MAPS, JSON + b"Transfer-Encoding: chunked\r\n") + b"-1\r\n\r\n",
        request(b"POST", MAPS, JSON + b"Transfer-Encoding: chunked\r\n") + b"ffffffffffffffffff\r\n",
        request(b"POST", MAPS, JSON + b"Transfer-Encoding: chunked\r\n") + b"2\r\n{}extra\r\n0\r\n\r\n",
        request(b"POST", MAPS, JSON + b"Transfer-Encoding: gzip\r\n") + b"{}",
    ],
    ids=lambda data: repr(data[:40]),
)  # fmt: skip
def test_no_http(server: ApiServer, data: bytes) -> None:
    status, _ = exchange(server, data)
    assert status == 0 or status in REFUSED


def test_endless_headers(server: ApiServer) -> None:
    for header in (b"A: " + b"x" * 5_000_000, b"".join(b"A%d: x\r\n" % number for number in range(200_000))):
        status, _ = exchange(server, b"GET /api HTTP/1.1\r\n" + TOKEN + header + b"\r\n\r\n")
        assert status in (0, 431)
    status, _ = exchange(server, b"GET /" + b"x" * 5_000_000 + b" HTTP/1.1\r\n\r\n")
    assert status in (0, 431)
    status, _ = exchange(server, request(b"GET", b"/api", b"A: " + b"x" * 500_000 + b"\r\n"))
    assert status == 200, "long, but not too long"


def test_a_body_that_ends_early(server: ApiServer, admin: httpx.Client) -> None:
    with connection(server) as sock:
        sock.sendall(request(b"POST", MAPS, JSON + b"Content-Length: 100\r\n") + b'{"metadata": {"name": "early"}}')
        with contextlib.suppress(ssl.SSLError, OSError):
            sock.unwrap()
    with connection(server) as sock:
        sock.sendall(request(b"POST", MAPS, JSON + b"Transfer-Encoding: chunked\r\n") + b"1f\r\n{")
    assert admin.get(f"{MAPS.decode()}/early").status_code == 404


def test_slow_clients_do_not_keep_others_waiting(server: ApiServer, admin: httpx.Client) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(100):
            sock = stack.enter_context(connection(server))
            sock.sendall(request(b"POST", MAPS, JSON + b"Content-Length: 100\r\n") + b"{" if number % 2 else b"GET /ap")
        for _ in range(20):
            assert admin.get("/api/v1/namespaces/default").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        b"/api/v1/namespaces/%",
        b"/api/v1/namespaces/%zz",
        b"/api/v1/namespaces/%00",
        b"/api/v1/namespaces/%ff%fe",
        b"/api/v1/namespaces/%ed%a0%80",
        b"/api/v1/namespaces/%2e%2e/pods/%2f",
        b"/api/v1/namespaces/%0d%0aX:%20y",
        b"/api/v1/../../etc/passwd",
        b"//////",
        b"/api/v1//pods",
        b"/apis///",
        b"/apis/apps/v1/namespaces/default/deployments/a/b/c/d/e",
        b"/api/v1/watch",
        b"/api/v1/watch/",
        b"/api/v1/proxy/namespaces/default/pods/x",
        b"/api/v1/namespaces/default/pods/" + b"a" * 60_000,
        b"/openapi/v3/../../x",
        b"/healthz/%ff",
        b"/nothing?" + b"a=b&" * 10_000,
        b"*",
        b"http://other.example/api/v1/namespaces/nothing",
    ],
    ids=lambda path: repr(path[:40]),
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE"])
def test_odd_paths(server: ApiServer, method: bytes, path: bytes) -> None:
    separator = b"&" if b"?" in path else b"?"
    status, _ = exchange(server, request(method, path + separator + b"dryRun=All"), method.decode())
    assert status in REFUSED or (status == 200 and method in (b"GET", b"HEAD", b"DELETE"))


QUERIES = [
    "limit=-1", "limit=99999999999999999999", "limit=" + "9" * 10_000, "limit=x", "limit=1.5", "limit=1_0", "limit=%00",
    "limit=9223372036854775807", "continue=x", "continue=" + "A" * 100_000, "continue=%ff", "continue=e30",
    "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTk5LCJzdGFydCI6ImEifQ",
    "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTksInN0YXJ0IjoiYSJ9",
    "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6dHJ1ZSwic3RhcnQiOiJhIn0", "continue=W10", "continue=bnVsbA",
    "resourceVersion=x", "resourceVersion=-1", "resourceVersion=" + "9" * 10_000, "resourceVersion=%F0%9F%98%80",
    "resourceVersion=18446744073709551615", "resourceVersionMatch=x", "resourceVersionMatch=Exact",
    "resourceVersion=9223372036854775808&resourceVersionMatch=Exact",
    "labelSelector=" + "a" * 500_000, "labelSelector=a+in+(" + "b," * 200_000 + "b)", "labelSelector=%00",
    "labelSelector=" + "(" * 100_000, "labelSelector=a%3Db%3Dc", "labelSelector=!!!!", "labelSelector=%ed%a0%80",
    "labelSelector=" + "a=b," * 100_000, "fieldSelector=" + "metadata.name=a," * 30_000, "fieldSelector=%5C",
    "fieldSelector=" + "=" * 100_000, "fieldSelector=metadata.name%3D%00",
    "timeoutSeconds=x", "watch=x&timeoutSeconds=-1", "watch=1&timeoutSeconds=1&resourceVersion=x",
    "watch=1&timeoutSeconds=1&resourceVersion=99999999999999999999",
    "watch=1&timeoutSeconds=1&resourceVersion=18446744073709551615", "watch=1&timeoutSeconds=" + "9" * 5_000,
    "watch=1&sendInitialEvents=true&timeoutSeconds=1", "pretty=%ff", "dryRun=x", "fieldManager=%00", "&&&&===;;;%",
    "allowWatchBookmarks=x", "a[]=b", "%=%", "limit=1&limit=x", "gracePeriodSeconds=x", "propagationPolicy=%ff",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:50])
@pytest.mark.parametrize("path", ["/api/v1/configmaps", "/api/v1/namespaces/default/pods/none"])
def test_odd_queries(server: ApiServer, path: str, query: str) -> None:
    status, body = exchange(server, request(b"GET", f"{path}?{query}".encode()))
    assert status in REFUSED or status in (200, FUTURE), body
    status, body = exchange(server, request(b"DELETE", f"{path}?{query}&dryRun=All".encode()), "DELETE")
    assert status in REFUSED or status in (200, FUTURE), body


@pytest.mark.parametrize(
    "accept",
    [b"", b"*", b";", b",,,", b"*/*;q=x", b"\xff", b"application/json;as=Table", b"a" * 50_000, b'"', b"=;=;="],
)
def test_odd_accept_headers(server: ApiServer, accept: bytes) -> None:
    for path in (b"/api/v1/namespaces", b"/api", b"/api/v1/namespaces?watch=1&timeoutSeconds=1", b"/openapi/v3"):
        status, _ = exchange(server, request(b"GET", path, b"Accept: " + accept + b"\r\n"))
        assert status in (200, 400, 406)


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Type: \r\n",
        b"Content-Type: text/plain\r\n",
        b"Content-Type: application/json; charset=utf-16\r\n",
        b"Content-Type: \xff\r\n",
        b"Content-Type: multipart/form-data; boundary=x\r\n",
        b"Content-Type: " + b"application/json;" * 3_000 + b"\r\n",
        JSON + b"Content-Encoding: gzip\r\n",
        JSON + b"Authorization: Bearer \xff\xff\r\n",
        JSON + b"Authorization: Basic x\r\n",
        JSON + b"Impersonate-User: \xff\r\n",
        JSON + b"Impersonate-Extra-%zz: x\r\n",
        JSON + b"User-Agent: \xff\xfe\r\n",
        JSON + b"Accept-Encoding: \xff, gzip;q=x\r\n",
        JSON + b"If-Match: x\r\nRange: bytes=0-0\r\n",
    ],
    ids=lambda headers: repr(headers[:60]),
)
def test_odd_headers_of_writes(server: ApiServer, headers: bytes) -> None:
    for body in (b"{}", gzip.compress(b"{}")):
        for method in (b"POST", b"PUT", b"PATCH", b"DELETE"):
            path = MAPS if method == b"POST" else MAPS + b"/none"
            status, answered = exchange(server, request(method, path, headers, body), method.decode())
            assert status in REFUSED, answered


def test_old_http(server: ApiServer) -> None:
    with connection(server) as sock:
        sock.sendall(request(b"GET", b"/api/v1/namespaces/default", version=b"1.0"))
        status, body = answer(sock)
        assert (status, b'"default"' in body) == (200, True)
        assert sock.recv(1) == b"", "the connection ends with the answer"


def test_pipelining(server: ApiServer) -> None:
    with connection(server) as sock:
        paths = [b"/api/v1/namespaces/default", b"/api/v1/namespaces/none", b"/version"] * 20
        sock.sendall(b"".join(request(b"GET", path) for path in paths))
        reader = [answer_in_order(sock) for _ in paths]
        assert reader == [200, 404, 200] * 20


def answer_in_order(sock: ssl.SSLSocket) -> int:
    """Like `answer`, for one of several: reads no byte too many."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        assert byte, "the server has closed the connection"
        head += byte
    (length,) = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while length:
        length -= len(sock.recv(length))
    return int(head.split()[1])


def test_expect_continue(server: ApiServer) -> None:
    body = b'{"metadata": {"name": "Not A Name"}}'
    headers = JSON + b"Expect: 100-continue\r\nContent-Length: %d\r\n" % len(body)
    with connection(server) as sock:
        sock.sendall(request(b"POST", MAPS, headers))
        assert sock.recv(25).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        sock.sendall(body)
        assert answer(sock, "POST")[0] == 422


KEY = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
OFFER = b"Sec-WebSocket-Protocol: v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.eA\r\n"


@pytest.mark.parametrize(
    "path",
    [
        MAPS + b"?watch=1&timeoutSeconds=1",
        MAPS,
        MAPS + b"/none",
        b"/api/v1/namespaces/default/pods/none/exec?command=x",
        b"/api/v1/namespaces/default/pods/none/log",
        b"/api/v1/nothing",
        b"/nothing",
        b"/",
        b"/healthz",
        b"/openapi/v2",
        b"/api/v1/namespaces?watch=1&resourceVersion=x",
    ],
)
@pytest.mark.parametrize(
    "headers",
    [
        b"Upgrade: websocket\r\n" + KEY,
        b"Upgrade: websocket\r\n" + KEY + OFFER,
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 99\r\nSec-WebSocket-Key: x\r\n",
        b"Upgrade: websocket\r\n",
        b"Upgrade: SPDY/3.1\r\n",
        b"Upgrade: h2c\r\nHTTP2-Settings: x\r\n",
        b"",
    ],
)
def test_upgrades(server: ApiServer, path: bytes, headers: bytes) -> None:
    with connection(server) as sock:
        sock.sendall(request(b"GET", path, b"Connection: Upgrade\r\n" + headers))
        status = int(sock.recv(12).split()[1])
        assert status in REFUSED or status in (101, 200), status


async def test_a_request_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.request":
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})

    config = uvicorn.Config(app, http=tls.HTTPProtocol, lifespan="off", log_config=None)
    config.load()
    loop, state = asyncio.get_running_loop(), ServerState()
    leap, time = 0.0, loop.time
    monkeypatch.setattr(loop, "time", lambda: time() + leap)
    received: list[bytes] = []

    class Noting(tls.HTTPProtocol):
        def data_received(self, data: bytes) -> None:
            received.append(data)
            super().data_received(data)

    serving = await loop.create_server(lambda: Noting(config, state, {}, loop), "127.0.0.1")
    async with until_all_left(serving), asyncio.timeout(600):
        whole = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
        for data in (b"", whole[:20], whole[:-1], whole + whole[:20], whole + whole[:-1]):
            received.clear()
            reader, writer = await asyncio.open_connection(*serving.sockets[0].getsockname())
            writer.write(data)
            for _ in range(data.count(whole)):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")
            await eventually(lambda: state.connections and b"".join(received) == data)  # noqa: B023
            leap += tls._REQUEST_DEADLINE + tls._HEAD_DEADLINE
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
