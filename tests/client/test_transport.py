"""The transport: what httpx asks of one, and what becomes of broken connections."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from api.core_v1 import ConfigMap
from api.meta_v1 import ObjectMeta
from client.config import ClientConfig
from client.rest import RestClient
from client.transport import Interrupted, NotConnected, TimedOut, Transport, Unreachable
from tests.client.api_double import ApiDouble
from tests.client.waiting import eventually, until_all_left

MAPS = "/api/v1/namespaces/default/configmaps"
WATCH = {"watch": "true", "resourceVersion": "100"}
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def config_map(name: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"))


Answer = Callable[[bytes, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """A server that hands each request's head to `answer`, which writes whatever it likes.  Yields its address."""
    tasks = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        try:
            while not writer.is_closing():
                await answer(await reader.readuntil(b"\r\n\r\n"), writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with until_all_left(server):
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            for task in tasks:
                assert task is not None
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # type: ignore[arg-type]


async def test_the_whole_of_httpx_works_over_it(client: RestClient) -> None:
    made = await client.http.post(MAPS, json={"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a b"}})
    assert made.status_code == 201
    assert made.request.url.path == MAPS
    assert made.headers["content-type"] == "application/json"
    assert made.elapsed.total_seconds() > 0
    with pytest.raises(httpx.HTTPStatusError):
        (await client.http.get(f"{MAPS}/none")).raise_for_status()

    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"kind":"ConfigMap","apiVersion":"v1",'
        yield b'"metadata":{"name":"b"}}'

    answer = await client.http.post(MAPS, content=pieces())
    assert answer.json()["metadata"]["name"] == "b"


async def test_other_httpx_clients_can_share_it(server: ApiDouble) -> None:
    async with httpx.AsyncClient(transport=Transport(server.config, "test"), base_url=server.config.server) as http:
        assert (await http.get(MAPS)).json()["items"] == []


async def test_a_path_in_the_servers_address_comes_first(server: ApiDouble) -> None:
    async with RestClient(ClientConfig(f"{server.config.server}/clusters/one/")) as client:
        await client.raw("GET", "/version")
        await client.transport.call(client.transport.request("GET", "/version?a=b%20c", accept="*/*"))
    assert server.requests == ["GET /clusters/one/version", "GET /clusters/one/version?a=b%20c"]


async def test_streams_opened_by_httpx_leave_the_calls_their_connections(client: RestClient) -> None:
    streams = []
    for _ in range(40):
        request = client.http.build_request("GET", "/api/v1/configmaps", params=WATCH, timeout=None)
        streams.append(await client.http.send(request, stream=True))
    await asyncio.gather(*(client.create(config_map(f"m{number}")) for number in range(50)))
    for stream in streams:
        assert '"ADDED"' in await anext(stream.aiter_lines())
        await stream.aclose()


async def test_a_connection_is_used_again_after_its_stream_has_ended(client: RestClient, server: ApiDouble) -> None:
    for _ in range(5):
        async with client.stream("GET", MAPS) as answer:
            assert (await answer.aread())[:1] == b"{"
        await client.list(ConfigMap)
    assert server.connections == 1


async def test_errors_are_httpxs_and_ours() -> None:
    async def cut(head: bytes, writer: asyncio.StreamWriter) -> None:
        if b"/half" in head:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            await writer.drain()
        if b"/silent" not in head:
            writer.close()

    async with answering(cut) as address, RestClient(ClientConfig(address)) as client:
        with pytest.raises(Interrupted) as cut_short:
            await client.raw("POST", "/cut")
        assert isinstance(cut_short.value, Unreachable | httpx.ReadError)
        assert cut_short.value.request.url.path == "/cut"
        with pytest.raises(Interrupted):
            await client.get_json("/half")
        async with client.stream("GET", "/half") as answer:
            with pytest.raises(Interrupted):
                await answer.aread()
        with pytest.raises(TimedOut) as late:
            await client.http.get("/silent", timeout=httpx.Timeout(60, read=0.01))
        assert isinstance(late.value, httpx.TimeoutException)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # so that nobody else listens there
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        async with RestClient(ClientConfig(address)) as client:
            with pytest.raises(NotConnected, match=address) as refused:
                await client.get_json("/")
    assert isinstance(refused.value, httpx.ConnectError)
    assert isinstance(refused.value, ConnectionError)


async def test_errors_of_who_reads_a_stream_are_left_alone(client: RestClient) -> None:
    async def read() -> None:
        async with client.stream("GET", MAPS) as answer:
            async for _ in answer.aiter_raw():
                raise BrokenPipeError("the reader's own")

    with pytest.raises(BrokenPipeError):
        await read()


async def test_reads_anew_when_an_idle_connection_was_closed_but_never_writes_anew() -> None:
    heads: list[bytes] = []

    async def once_each(head: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(head)
        if head.startswith(b"GET /first"):
            writer.write(EMPTY)
        elif len(heads) == 2:
            writer.transport.abort()  # as if it had closed the connection before the request came
        else:
            writer.write(EMPTY)

    for method, sent in (("GET", 3), ("POST", 2)):
        heads.clear()
        async with answering(once_each) as address, RestClient(ClientConfig(address)) as client:
            await client.raw("GET", "/first")
            request = client.transport.request(method, "/second", accept="*/*")
            if method == "GET":
                assert (await client.transport.call(request)).status_code == 200
            else:
                with pytest.raises(Interrupted):
                    await client.transport.call(request)
        assert len(heads) == sent


async def test_bodies_of_every_kind_of_answer_end() -> None:
    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        if head.startswith(b"HEAD"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n")
        elif b"/until-close" in head:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
            await writer.drain()
            writer.close()
        elif b"/none" in head:
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nWarning: a\r\nWarning: b\r\n\r\n")
            writer.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    async with answering(answer) as address, RestClient(ClientConfig(address)) as client, asyncio.timeout(60):
        assert (await client.http.head("/x")).content == b""
        assert (await client.http.get("/until-close")).content == b"all of it"
        assert (await client.http.get("/none")).content == b""
        chunked = await client.http.get("/chunked")
        assert chunked.content == b"abcde"
        assert chunked.headers.get_list("warning") == ["a", "b"]


async def test_credentials_and_names_go_to_the_one_server_only() -> None:
    heads: list[bytes] = []

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(head)
        writer.write(EMPTY)

    async with answering(answer) as address, RestClient(ClientConfig(address, token="secret"), "test/1") as client:
        await client.raw("GET", "/x")
        await client.transport.call(client.transport.request("GET", "/x", accept="*/*"))
        for head in heads:
            assert head.count(b"Bearer secret\r\n") == head.count(b"test/1\r\n") == 1
            assert head.lower().count(b"host: ") == 1
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.http.get("http://localhost:1/")
        with pytest.raises(httpx.LocalProtocolError):
            await client.transport.call(client.transport.request("GET", "/x\r\nX-Evil: 1", accept="*/*"))
        with pytest.raises(httpx.LocalProtocolError):
            await client.raw("GET", "/x", accept="a\r\nX-Evil: 1")
        assert len(heads) == 2


async def test_a_server_must_have_an_address() -> None:
    for address in ("", "ftp://somewhere", "/path"):
        with pytest.raises(ValueError, match="not the address of a server"):
            RestClient(ClientConfig(address))


async def test_a_call_given_up_frees_its_place() -> None:
    waiting = asyncio.Event()

    async def silent(head: bytes, writer: asyncio.StreamWriter) -> None:
        if b"/wait" in head:
            await waiting.wait()
        writer.write(EMPTY)

    async with answering(silent) as address, RestClient(ClientConfig(address)) as client:
        calls = [asyncio.create_task(client.raw("GET", "/wait")) for _ in range(30)]
        late = asyncio.create_task(client.raw("GET", "/late"))
        await eventually(lambda: len(client.transport._pool._calls) == 24)
        for call in calls:
            call.cancel()
        assert (await late).status_code == 200
        await asyncio.gather(*calls, return_exceptions=True)
