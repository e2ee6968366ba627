"""Connections of the client, against a server that answers as the test says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from pathlib import Path

import httpx
import pytest

from apiserver.pki import Authority
from client import http1
from client.config import ClientConfig
from client.http1 import Broken, Connection, Pool
from client.transport import Transport
from tests.client.api_double import ApiDouble
from tests.client.waiting import eventually, until_all_left


async def test_a_connection_is_used_again_after_an_answer_larger_than_its_buffer() -> None:
    large = b"x" * (3 << 20)
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with contextlib.suppress(ConnectionError):
            while request := await reader.readline():
                while await reader.readline() != b"\r\n":
                    pass
                body = large if b"/large" in request else b"small"
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    async with (
        until_all_left(server),
        asyncio.timeout(60),
        httpx.AsyncClient(transport=Transport(ClientConfig(url), "test")) as http,
    ):
        for _ in range(2):
            assert (await http.get(f"{url}/large")).content == large
            assert (await http.get(f"{url}/small")).content == b"small"
        async with http.stream("GET", f"{url}/large") as answered:
            assert b"".join([chunk async for chunk in answered.aiter_bytes()]) == large
        async with http.stream("GET", f"{url}/small") as answered:
            assert await answered.aread() == b"small"
    assert connections == 1


async def test_a_connection_that_was_idle_for_long_is_not_used_again(
    server: ApiDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = Transport(server.config, "test")
    try:
        for longest, connections in ((60.0, 1), (60.0, 1), (-1.0, 2)):
            monkeypatch.setattr(http1, "_LONGEST_IDLE", longest)
            await transport.call(transport.request("GET", "/api/v1/configmaps", accept="application/json"))
            assert server.connections == connections
    finally:
        await transport.aclose()


async def test_a_connection_that_opens_while_the_pool_is_closed_is_not_left_open(server: ApiDouble) -> None:
    pool = Pool("127.0.0.1", server.port, None, "", 1)
    taken = asyncio.create_task(pool.take(60))
    await asyncio.sleep(0)  # it has begun
    pool.close()
    with pytest.raises(Broken, match="the client was closed"):
        await taken


async def test_a_connection_that_is_given_up_as_it_is_made_waits_for_no_farewell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, over = Authority(tmp_path), threading.Event()
    pair = authority.issue("server", "server", [], ["localhost"], client=False)
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(pair.certificate, pair.key)

    def shake_hands_and_be_silent() -> None:
        with listening.accept()[0] as accepted, theirs.wrap_socket(accepted, server_side=True):
            over.wait(60)

    made: list[Connection] = []
    connection_made = Connection.connection_made

    def given_up(self: Connection, transport: asyncio.BaseTransport) -> None:
        connection_made(self, transport)
        made.append(self)
        taking.cancel()

    monkeypatch.setattr(Connection, "connection_made", given_up)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = asyncio.create_task(asyncio.to_thread(shake_hands_and_be_silent))
        trusting = ssl.create_default_context(cadata=authority.ca_pem.decode())
        taking = asyncio.create_task(Pool(*listening.getsockname(), trusting, "localhost", 1).take(60))
        with pytest.raises(asyncio.CancelledError):
            await taking
        try:  # asyncio itself would wait for thirty seconds
            await eventually(lambda: made[0]._lost is not None, seconds=20)
        finally:
            over.set()
            await server
