from __future__ import annotations

import os
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import cast

import pytest

from api.core_v1 import Node
from kubelet.network.host_gateway import HostGateway
from kubelet.network.netlink import Netlink
from kubelet.network.node_routes import pod_routes


def node(name: str, cidr: str, *addresses: str) -> Node:
    status = {"addresses": [{"type": "Hostname", "address": name}]}
    status["addresses"] += [{"type": "InternalIP", "address": address} for address in addresses]
    return Node.from_dict({"metadata": {"name": name}, "spec": {"podCIDR": cidr}, "status": status})


def test_other_nodes_ranges_go_to_their_addresses() -> None:
    nodes = [
        node("a", "10.0.0.0/24", "192.0.2.1"),
        node("b", "10.0.1.0/24", "fd00::1", "192.0.2.2"),
        node("c", "", "1.1.1.1"),
    ]
    assert pod_routes("a", nodes) == {"10.0.1.0/24": "192.0.2.2"}


@pytest.fixture
def link() -> Iterator[None]:
    """An interface in 198.18.99.0/24."""
    if os.geteuid():
        pytest.skip("routes need root")
    commands = (
        "link add nkt-gateway type veth peer name nkt-gateway-2",
        "addr add 198.18.99.1/24 dev nkt-gateway",
        "link set nkt-gateway up",
    )
    for command in commands:
        subprocess.run(["ip", *command.split()], check=True)
    yield
    subprocess.run(["ip", "link", "del", "nkt-gateway"], check=True)


@pytest.fixture
async def gateway(link: None) -> AsyncIterator[HostGateway]:
    gateway = HostGateway("test")
    yield gateway
    await gateway.cleanup()


def ours() -> dict[str, str]:
    """Clusters that run beside these tests have such routes, too, but not there."""
    with Netlink() as host:
        routes = [route for route in host.routes() if route.destination.startswith("198.18.")]
    return {route.destination: route.gateway for route in routes if route.protocol == 110}


async def test_routes_follow_the_nodes(gateway: HostGateway) -> None:
    await gateway.sync({"198.18.1.0/24": "198.18.99.2", "198.18.2.0/24": "198.18.99.3", "198.18.3.0/24": "198.18.99.1"})
    assert ours() == {"198.18.1.0/24": "198.18.99.2", "198.18.2.0/24": "198.18.99.3"}
    await HostGateway("test").sync({"198.18.1.0/24": "198.18.99.4"})
    assert ours() == {"198.18.1.0/24": "198.18.99.4"}
    await HostGateway("another").sync({})
    assert ours() == {"198.18.1.0/24": "198.18.99.4"}
    await gateway.cleanup()
    assert ours() == {}


async def test_an_unreachable_gateway_is_tried_again(gateway: HostGateway, caplog: pytest.LogCaptureFixture) -> None:
    await gateway.sync({"198.18.1.0/24": "203.0.113.99"})
    with Netlink() as host:
        default = any(route.destination == "0.0.0.0/0" for route in host.routes())
    if not default:
        assert "no route to the pods" in caplog.text
    await gateway.sync({"198.18.1.0/24": "198.18.99.2"})
    assert ours() == {"198.18.1.0/24": "198.18.99.2"}


class Kernel:
    """Says once that what it lists has changed meanwhile; each list is longer than the one before."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def send(self, request: bytes) -> None:
        self.asked.append(struct.unpack_from("I", request, 8)[0])

    def recv(self, _: int) -> bytes:
        flag = 0x10 if len(self.asked) == 1 else 0
        route = struct.pack("BBBBBBBBI", 2, 0, 0, 0, 254, 4, 0, 1, 0)
        answers = [(24, route)] * len(self.asked) + [(3, b"\0" * 4)]
        return b"".join(
            struct.pack("IHHII", 16 + len(body), kind, flag, self.asked[-1], 0) + body for kind, body in answers
        )

    def close(self) -> None:
        pass


def test_a_list_that_changed_while_it_was_made_is_asked_for_again() -> None:
    with Netlink() as host:
        host._socket.close()
        host._socket = cast(socket.socket, Kernel())
        assert len(host.routes()) == 2
