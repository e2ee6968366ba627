"""A request that is not to last long ends, whatever the other server does."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from api.errors import Timeout
from apiserver.aggregation import forwarding
from apiserver.aggregation.remote import Remote
from apiserver.endpoint import API
from apiserver.filters.request_info import parse
from apiserver.pki import Authority
from apiserver.request import Request, User
from apiserver.service_target import ServiceTarget
from tests.client.waiting import until_all_left

PATH = "/apis/g/v1/things"


class Fixed(Remote):
    """Its server is at one address."""

    def target(self, api: API) -> ServiceTarget:
        return ServiceTarget("127.0.0.1", self.spec["service"]["port"], "localhost")


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[Fixed]:
    """Answers with a head and the beginning of a body, or with nothing when the path ends so."""
    end = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"nothing" not in head:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
        await end.wait()
        writer.close()

    pair = Authority(tmp_path).issue("s", "s", [], ["localhost"], client=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    service = {"namespace": "n", "name": "s", "port": port}
    found = Fixed("v1.g", {"group": "g", "version": "v1", "service": service, "insecureSkipTLSVerify": True}, True)
    found.open(None)
    async with until_all_left(server):
        yield found
        end.set()
        await found.let_go()


async def ask(
    remote: Remote, path: str, query: str = "", seen: Callable[[dict[str, Any]], None] = lambda message: None
) -> list[dict[str, Any]]:
    """The messages of the answer, each of which is `seen` as it comes."""
    sent: list[Any] = []
    given: asyncio.Queue[Any] = asyncio.Queue()
    given.put_nowait({"type": "http.request"})

    async def send(message: Any) -> None:
        sent.append(message)
        seen(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": []}
    request = Request(scope, given.get)
    request.info = parse("GET", path, request.query)
    request.user = User("u")
    api: Any = None
    await forwarding.forward(api, remote, request, given.get, send)
    return sent


async def test_no_answer(remote: Fixed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "_REQUEST_TIMEOUT", 0.1)
    with pytest.raises(Timeout, match="request did not complete within the allotted timeout"):
        await ask(remote, f"{PATH}/nothing")


async def test_half_an_answer(remote: Fixed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    time = loop.time

    def over(message: dict[str, Any]) -> None:
        if message.get("body"):
            monkeypatch.setattr(loop, "time", lambda: time() + forwarding._REQUEST_TIMEOUT)

    with caplog.at_level(logging.WARNING):
        sent = await ask(remote, PATH, seen=over)
    assert sent[0]["status"] == 200
    assert b"".join(message.get("body", b"") for message in sent) == b"begun"
    assert sent[-1]["more_body"]  # no end was made up
    assert "v1.g did not end its answer" in caplog.text


async def test_a_watch_lasts(remote: Fixed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "_REQUEST_TIMEOUT", 0.0)
    begun = asyncio.Event()

    def seen(message: dict[str, Any]) -> None:
        if message.get("body"):
            begun.set()

    watch = asyncio.create_task(ask(remote, PATH, "watch=1", seen))
    await asyncio.wait_for(begun.wait(), 60)
    with pytest.raises(Timeout):
        await ask(remote, f"{PATH}/nothing")  # one that began later and is no watch
    assert not watch.done()
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
