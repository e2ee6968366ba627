"""The client of webhooks against a real HTTPS server: what it sends, and how it words what goes wrong."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from api.admissionregistration_v1 import ServiceReference, WebhookClientConfig
from api.errors import NotFound
from apiserver.pki import Authority
from apiserver.webhook_client import BadTarget, CallError, Target, WebhookClient, target_of
from tests.client.waiting import until_all_left
from tests.ports import free_port
from tests.webhook_server import WebhookServer, serving


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookServer]:
    hosts = ("127.0.0.1", "hook.here.svc")
    with serving(tmp_path_factory.mktemp("webhook"), lambda body: {"echo": body}, hosts) as running:
        yield running


@pytest.fixture(autouse=True)
def _fresh(webhook: WebhookServer) -> Iterator[None]:
    webhook.asked.clear()
    yield
    webhook.answer, webhook.worse = lambda body: {"echo": body}, None


@pytest.fixture
async def client(webhook: WebhookServer) -> AsyncIterator[WebhookClient]:
    def resolve(namespace: str, name: str, port: int) -> tuple[str, int]:
        if (namespace, name, port) != ("here", "hook", 8443):
            raise NotFound(f'service "{name}" not found')
        return "127.0.0.1", webhook.port

    client = WebhookClient(resolve)
    yield client
    await client.aclose()


async def failure(client: WebhookClient, target: Target, timeout: float = 30, limit: int = 1000) -> str:
    with pytest.raises(CallError) as refused:
        await client.post_json(target, b"{}", timeout=timeout, limit=limit)
    return refused.value.message


async def test_a_url(client: WebhookClient, webhook: WebhookServer) -> None:
    target = target_of(WebhookClientConfig(url=f"{webhook.url}/a/../check/", caBundle=webhook.ca_bundle))
    answers = [await client.post_json(target, b'{"a":1}', timeout=29.5) for _ in range(3)]
    assert answers == [b'{"echo": {"a": 1}}'] * 3
    assert [asked.path for asked in webhook.asked] == ["/check?timeout=30s"] * 3
    assert webhook.asked[0].headers["Content-Type"] == "application/json"
    assert webhook.asked[0].headers["User-Agent"] == "kube-apiserver-admission"


async def test_connections_are_kept(client: WebhookClient, webhook: WebhookServer) -> None:
    before = webhook.connections
    target = Target(webhook.url, webhook.ca_pem)
    for _ in range(5):
        await client.post_json(target, b"{}", timeout=30)
    assert webhook.connections == before + 1


async def test_a_service(client: WebhookClient, webhook: WebhookServer) -> None:
    service = ServiceReference(name="hook", namespace="here", path="/x", port=8443)
    target = target_of(WebhookClientConfig(service=service, caBundle=webhook.ca_bundle))
    assert await client.post_json(target, b"[]", timeout=30) == b'{"echo": []}'
    assert webhook.asked[0].headers["Host"] == "hook.here.svc:8443"
    other = target_of(WebhookClientConfig(service=ServiceReference(name="gone", namespace="here", port=443)))
    said = await failure(client, other)
    assert said == 'Post "https://gone.here.svc:443/?timeout=30s": service "gone" not found'


async def test_credentials_are_sent(client: WebhookClient, webhook: WebhookServer) -> None:
    target = Target(webhook.url, webhook.ca_pem, headers=(("Authorization", "Bearer secret"),))
    await client.post_json(target, b"{}", timeout=30)
    assert webhook.asked[0].headers["Authorization"] == "Bearer secret"
    assert "secret" not in repr(target)


async def test_nobody_listens(client: WebhookClient) -> None:
    url = f"https://127.0.0.1:{free_port()}"
    refused = f"dial tcp {url.removeprefix('https://')}: connect: connection refused"
    assert await failure(client, Target(url)) == f'Post "{url}?timeout=30s": {refused}'


async def test_a_host_without_an_address(client: WebhookClient) -> None:
    said = await failure(client, Target("https://nowhere.invalid/x"))
    assert said == 'Post "https://nowhere.invalid/x?timeout=30s": dial tcp: lookup nowhere.invalid: no such host'


async def test_an_unknown_authority(client: WebhookClient, webhook: WebhookServer, tmp_path: Path) -> None:
    for bundle in (b"", Authority(tmp_path).ca_pem):
        said = await failure(client, Target(webhook.url, bundle))
        assert said.endswith(": tls: failed to verify certificate: x509: certificate signed by unknown authority")


async def test_a_certificate_for_somebody_else(client: WebhookClient, webhook: WebhookServer) -> None:
    said = await failure(client, Target(webhook.url, webhook.ca_pem, server_name="other.here.svc"))
    assert said.endswith(": x509: certificate is not valid for any names, but wanted to match other.here.svc")


async def test_a_bundle_that_is_none(client: WebhookClient, webhook: WebhookServer) -> None:
    with pytest.raises(BadTarget, match="unable to parse bytes as PEM block"):
        await client.post_json(Target(webhook.url, b"nonsense"), b"{}", timeout=30)


async def test_one_that_speaks_no_tls(client: WebhookClient) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with until_all_left(await asyncio.start_server(answer, "127.0.0.1", 0)) as plain:
        port = plain.sockets[0].getsockname()[1]
        said = await failure(client, Target(f"https://127.0.0.1:{port}"))
    assert said.endswith(": tls: first record does not look like a TLS handshake")


async def test_one_that_hangs(client: WebhookClient, webhook: WebhookServer) -> None:
    over = threading.Event()
    webhook.worse = lambda handler: bool(over.wait(60)) and None
    try:
        said = await failure(client, Target(webhook.url, webhook.ca_pem), timeout=0.2)
    finally:
        over.set()
    assert said == f'Post "{webhook.url}?timeout=1s": context deadline exceeded'


async def test_one_that_never_speaks_is_not_held_on_to(client: WebhookClient) -> None:
    """Else each question would cost a connection for as long as the other side likes."""
    left = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            pass
        left.set()
        writer.close()

    async with until_all_left(await asyncio.start_server(silent, "127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        said = await failure(client, Target(url), timeout=0.2)
        await asyncio.wait_for(left.wait(), 60)
    assert said == f'Post "{url}?timeout=1s": context deadline exceeded'


async def test_one_that_never_stops_talking(client: WebhookClient, webhook: WebhookServer) -> None:
    def talk(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 4096)

    webhook.worse = talk
    target = Target(webhook.url, webhook.ca_pem)
    assert await failure(client, target, limit=100_000) == "the answer is longer than 100000 bytes"


async def test_redirects_are_not_followed(client: WebhookClient, webhook: WebhookServer) -> None:
    def redirect(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(307)
        handler.send_header("Location", "/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    webhook.worse = redirect
    said = await failure(client, Target(webhook.url, webhook.ca_pem))
    assert said == "the server responded with the status code 307 but did not return more information"
    assert len(webhook.asked) == 1


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, b"", "the server could not find the requested resource"),
        (500, b"oh no\n", 'an error on the server ("oh no") has prevented the request from succeeding'),
        (500, {"a": 1}, 'an error on the server ("unknown") has prevented the request from succeeding'),
        (400, b"what?", "the server rejected our request for an unknown reason"),
        (403, b"not you", "not you"),
        (418, {"kind": "Status", "status": "Failure", "message": "a teapot"}, "a teapot"),
    ],
)
async def test_refusals(client: WebhookClient, webhook: WebhookServer, status: int, body: object, words: str) -> None:
    webhook.answer = lambda _: (status, body)
    assert await failure(client, Target(webhook.url, webhook.ca_pem)) == words
