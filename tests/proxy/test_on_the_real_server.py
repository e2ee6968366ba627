"""`python -m proxy` in userspace mode on the real API server: no root."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from api.core_v1 import Event, Service
from api.discovery_v1 import EndpointSlice
from client.rest import RestClient
from tests.client.component_process import ComponentProcess
from tests.client.real_server import RealServer, real_server
from tests.client.waiting import eventually
from tests.ports import free_port
from tests.proxy.objects import service, slice_of
from tests.proxy.test_userspace import answering

USERSPACE = ("--proxy-mode", "userspace", "--healthz-bind-address")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RealServer]:
    with real_server(tmp_path, "--service-cluster-ip-range", "127.1.12.0/24") as running:
        yield running


@pytest.fixture
async def client(server: RealServer) -> AsyncIterator[RestClient]:
    async with RestClient(server.config) as connected:
        yield connected


async def ask(ip: str, port: int) -> str:
    """Who answers there; "refused" if nobody does.

    A listener that closes resets the connections that nobody has accepted: that too is an answer.
    """
    try:
        reader, writer = await asyncio.open_connection(ip, port)
    except ConnectionRefusedError:
        return "refused"
    except OSError as error:
        return type(error).__name__
    try:
        async with asyncio.timeout(5):
            return (await reader.readline()).decode().strip()
    except (OSError, TimeoutError) as error:
        return type(error).__name__
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def free_node_port() -> int:
    """A port of the range for node ports that nobody uses."""
    for port in range(32767, 30000, -1):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))
            return port
    raise AssertionError("all ports are taken")


async def test_services_come_and_go(client: RestClient, server: RealServer, tmp_path: Path) -> None:
    health, node_port = free_port(), free_node_port()
    flags = (
        "--proxy-mode",
        "userspace",
        "--healthz-bind-address",
        f"127.0.0.1:{health}",
        "--hostname-override",
        "n1,n2",
    )
    async with answering("127.1.0.1") as port, answering("127.1.0.2", port):
        with ComponentProcess("proxy", server.kubeconfig, tmp_path / "proxy.log", *flags) as proxy:
            wanted = service(ip="127.1.12.10", port=8080, node_port=node_port)
            wanted.spec.selector = {}
            await client.create(wanted)
            slices = await client.create(slice_of("web", "127.1.0.1", "127.1.0.2", port=port))
            await eventually(lambda: _answers("127.1.12.10", 8080, {"127.1.0.1", "127.1.0.2"}))
            await eventually(lambda: _answers("127.0.0.1", node_port, {"127.1.0.1", "127.1.0.2"}))
            slices.endpoints = slices.endpoints[:1]
            slices = await client.update(slices)
            await eventually(lambda: _answers("127.1.12.10", 8080, {"127.1.0.1"}))
            async with httpx.AsyncClient(timeout=60) as http:
                answer = await http.get(f"http://127.0.0.1:{health}/healthz")
            assert (answer.status_code, answer.json()["nodeEligible"]) == (200, True)
            await client.delete(EndpointSlice, slices.metadata.name, "default")
            await eventually(lambda: _answers("127.1.12.10", 8080, {"refused"}))
            await client.delete(Service, "web", "default")
            assert proxy.end() == 0
    assert "Traceback" not in proxy.log.read_text()


async def _answers(ip: str, port: int, wanted: set[str]) -> bool:
    return {await ask(ip, port) for _ in range(4)} == wanted


async def test_a_port_that_cannot_be_had_is_told_as_an_event(
    client: RestClient, server: RealServer, tmp_path: Path
) -> None:
    with socket.create_server(("127.1.12.11", 0)) as taken:
        port = taken.getsockname()[1]
        log = tmp_path / "proxy.log"
        with ComponentProcess(
            "proxy", server.kubeconfig, log, "--proxy-mode", "userspace", "--healthz-bind-address", ""
        ):
            await client.create(service("busy", ip="127.1.12.11", port=port))
            await client.create(slice_of("busy", "127.1.0.1"))

            async def told() -> bool:
                events = (await client.list(Event, "default", field_selector="involvedObject.name=busy")).items
                return any(
                    e.reason == "FailedToListen"
                    and e.message == f"cannot listen on 127.1.12.11:{port}: another program uses the port"
                    for e in events
                )

            await eventually(told)
