"""Webhooks that mean harm: each is refused, and the server goes on serving everybody else."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.admission_webhooks.conftest import Configurations, configurations, shared_webhook, webhook
from tests.apiserver.conftest import ApiServer, admin, namespace
from tests.ports import free_port
from tests.webhook_server import WebhookServer, allow, patch

__all__ = ["admin", "configurations", "namespace", "shared_webhook", "webhook"]

Handler = BaseHTTPRequestHandler
FAILED = 'Internal error occurred: failed calling webhook "check.example.com": failed to call webhook: '
MOST_MEMORY = 300 * 1024 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server whose environment names a proxy, where nobody is."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
            environment.setenv(name, f"http://127.0.0.1:{free_port()}")
        running = ApiServer(tmp_path_factory.mktemp("apiserver"))
        running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


def create(admin: httpx.Client, namespace: str, name: str = "a") -> httpx.Response:
    return admin.post(f"/api/v1/namespaces/{namespace}/configmaps", json={"metadata": {"name": name}})


def memory(server: ApiServer) -> int:
    """Bytes that the server's process had at most."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


def begin(handler: Handler, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def talk_for_ever(handler: Handler) -> None:
    begin(handler)
    while True:
        handler.wfile.write(b" " * 65536)


def drip(over: threading.Event) -> Callable[[Handler], None]:
    def worse(handler: Handler) -> None:
        begin(handler, Content_Length="1000000")
        while not over.wait(0.05):
            handler.wfile.write(b" ")

    return worse


def headers_for_ever(handler: Handler) -> None:
    handler.send_response_only(200)
    handler.flush_headers()
    while True:
        handler.wfile.write(b"X-Long: " + b"x" * 65536 + b"\r\n")


def bomb(handler: Handler) -> None:
    content = gzip.compress(b" " * 50_000_000)
    begin(handler, Content_Encoding="gzip", Content_Length=str(len(content)))
    handler.wfile.write(content)


def hang_up(handler: Handler) -> None:
    handler.close_connection = True


def nonsense(handler: Handler) -> None:
    handler.wfile.write(b"\x00\x01\x02 what?\r\n\r\n")
    handler.close_connection = True


def redirect(handler: Handler) -> None:
    begin(handler, 307, Location="https://127.0.0.1:1/secrets", Content_Length="0")


@pytest.mark.parametrize("worse", [talk_for_ever, headers_for_ever, bomb, hang_up, nonsense, redirect])
def test_answers_that_never_should_be(
    admin: httpx.Client,
    namespace: str,
    server: ApiServer,
    webhook: WebhookServer,
    configurations: Configurations,
    worse: Callable[[Handler], None],
) -> None:
    webhook.worse = worse
    configurations.validating(configurations.hook(timeoutSeconds=5))
    answer = create(admin, namespace)
    assert answer.status_code == 500
    assert answer.json()["message"].startswith(FAILED)
    assert len(webhook.asked) <= 2, "nobody is asked elsewhere"
    assert memory(server) < MOST_MEMORY


def test_a_drip_ends_at_the_deadline(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    over = threading.Event()
    webhook.worse = drip(over)
    configurations.validating(configurations.hook(timeoutSeconds=1))
    started = time.monotonic()
    try:
        answer = create(admin, namespace)
    finally:
        over.set()
    assert answer.json()["message"].endswith('?timeout=1s": context deadline exceeded')
    assert time.monotonic() - started < 30


def test_others_go_on_while_webhooks_hang(
    admin: httpx.Client, namespace: str, server: ApiServer, webhook: WebhookServer, configurations: Configurations
) -> None:
    over = threading.Event()

    def hang(handler: Handler) -> None:
        over.wait(60)
        handler.close_connection = True

    webhook.worse = hang
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    configurations.validating(configurations.hook(timeoutSeconds=30, rules=[rule]))
    with ThreadPoolExecutor(20) as pool, server.client() as client:
        waiting = [pool.submit(create, client, namespace, f"m{index}") for index in range(20)]
        try:
            while len(webhook.asked) < 20:
                secret = {"metadata": {"generateName": "s-"}}
                assert admin.post(f"/api/v1/namespaces/{namespace}/secrets", json=secret).status_code == 201
                assert not any(answer.done() for answer in waiting), "these are still to be answered"
        finally:
            over.set()
        assert {answer.result().status_code for answer in waiting} == {500}


def nested(review: dict[str, Any]) -> bytes:
    return json.dumps(allow(review)).encode()[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    "answer",
    [
        nested,
        lambda review: b"[" * 1000 + b"]" * 1000,
        lambda review: [],
        lambda review: 7,
        lambda review: {**review, "response": [1]},
        lambda review: allow(review, warnings="x"),
        lambda review: allow(review, patch="%%%", patchType="JSONPatch"),
        lambda review: allow(review, uid=["x"]),
        lambda review: allow(review, status={"code": "x"}),
        lambda review: b"\xff\xfe",
        lambda review: b'{"response": {"allowed": tru',
    ],
)
def test_nonsense(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations, answer: Any
) -> None:
    webhook.answer = answer
    configurations.mutating()
    refused = create(admin, namespace)
    assert refused.status_code == 500
    assert "failed calling webhook" in refused.json()["message"]


def grown(operations: int) -> list[dict[str, Any]]:
    """Doubles what is there again and again."""
    first = {"op": "add", "path": "/data", "value": {"a": {"x": "y" * 1000}}}
    return [first, *({"op": "copy", "from": "/data", "path": f"/data/{index}"} for index in range(operations))]


def deep(levels: int) -> dict[str, Any]:
    value: Any = "x"
    for _ in range(levels):
        value = {"a": value}
    return {"op": "add", "path": "/data", "value": value}


@pytest.mark.parametrize(
    "operations",
    [
        grown(40),
        [deep(900)],
        [{"op": "add", "path": "", "value": []}],
        [{"op": "replace", "path": "", "value": [1]}],
        [{"op": "remove", "path": "/metadata"}],
        [{"op": "replace", "path": "/metadata", "value": "x"}],
        [{"op": "replace", "path": "/metadata", "value": None}],
        [{"op": "add", "path": "/data", "value": {"x": 1}}],
        [{"op": "add", "path": "/data", "value": {"x": "y" * 3_500_000}}],
        [{"op": "test", "path": "/metadata/name", "value": "b"}] * 20_000,
    ],
)
def test_patches_that_destroy(
    admin: httpx.Client,
    namespace: str,
    server: ApiServer,
    webhook: WebhookServer,
    configurations: Configurations,
    operations: list[dict[str, Any]],
) -> None:
    webhook.answer = lambda review: patch(review, *operations)
    configurations.mutating()
    refused = create(admin, namespace)
    assert refused.status_code in (400, 413, 422, 500), refused.text
    assert refused.json()["kind"] == "Status"
    configurations.remove()
    assert admin.get(f"/api/v1/namespaces/{namespace}/configmaps/a").status_code == 404
    assert memory(server) < MOST_MEMORY


def test_nothing_of_the_caller_but_who_it_is_reaches_a_webhook(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    configurations.validating()
    create(admin, namespace).raise_for_status()
    (asked,) = webhook.asked
    assert "authorization" not in {name.lower() for name in asked.headers}
    assert "admintoken" not in json.dumps(asked.body)


def test_a_webhook_cannot_make_somebody_else_of_an_object(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    """Neither in another namespace nor of another kind than was asked for."""
    webhook.answer = lambda review: patch(
        review, {"op": "replace", "path": "/metadata/namespace", "value": "kube-system"}
    )
    configurations.mutating()
    answer = create(admin, namespace)
    assert answer.status_code in (400, 422), answer.text
    assert admin.get("/api/v1/namespaces/kube-system/configmaps/a").status_code == 404


def test_addresses_that_lead_inside(admin: httpx.Client, configurations: Configurations) -> None:
    """What could be smuggled into a URL is refused when it is configured."""
    root = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    for url in (
        "http://127.0.0.1/", "file:///etc/passwd", "https://user:secret@127.0.0.1/", "https://127.0.0.1/?a=b",
        "https://127.0.0.1/#a", "https:///x", "https://[::1/",
    ):  # fmt: skip
        hook = configurations.hook(clientConfig={"url": url})
        answer = admin.post(root, json={"metadata": {"name": "bad"}, "webhooks": [hook]})
        assert answer.status_code == 422, url
