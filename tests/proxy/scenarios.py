"""What the iptables mode does on a real kernel; each function runs on a machine of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from proxy.iptables import Iptables
from proxy.iptables_rules import Settings
from tests.proxy.machine import HOST_IP, PORT, Machine, run
from tests.proxy.objects import service, slice_of
from tests.proxy.test_service_map import endpoint

IP, NODE_PORT = "10.96.0.10", 30080
IPS = ("10.244.0.2", "10.244.0.3")


async def balancing() -> None:
    machine = Machine()
    assert await machine.apply(service(node_port=NODE_PORT), slice_of("web", *IPS))
    assert not await machine.apply(service(node_port=NODE_PORT), slice_of("web", *IPS))
    assert machine.answering(IP, 80) == {"pod2", "pod3"}  # from the machine
    assert {machine.pods[2].ask(IP, 80).split()[0] for _ in range(30)} == {"pod2", "pod3"}  # from a pod
    assert machine.answering(HOST_IP, NODE_PORT) == {"pod2", "pod3"}
    assert machine.answering("127.0.0.1", NODE_PORT) == {"pod2", "pod3"}
    assert machine.pods[2].ask(HOST_IP, NODE_PORT).split()[1] != machine.pods[2].ip  # masqueraded
    assert machine.pods[2].ask(IP, 80).split()[1] == machine.pods[2].ip  # not masqueraded
    machine.stop()


async def hairpin() -> None:
    machine = Machine(pods=1)
    await machine.apply(service(), slice_of("web", IPS[0]))
    name, source = machine.pods[0].ask(IP, 80).split()
    assert (name, source == IPS[0]) == ("pod2", False)
    machine.stop()


async def affinity() -> None:
    machine = Machine()
    sticky = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 100}}}
    await machine.apply(service(**sticky), slice_of("web", *IPS))
    assert len(machine.answering(IP, 80)) == 1
    assert len({machine.pods[2].ask(IP, 80) for _ in range(20)}) == 1
    machine.stop()


async def no_endpoints() -> None:
    machine = Machine(pods=2)
    plain = service(node_port=NODE_PORT)
    await machine.apply(plain)
    for ip, port in ((IP, 80), (HOST_IP, NODE_PORT), ("127.0.0.1", NODE_PORT)):
        assert machine.ask(ip, port) == "refused"
    assert machine.pods[0].ask(IP, 80) == "refused"
    await machine.apply(plain, slice_of("web", *IPS))
    assert machine.answering(IP, 80) == {"pod2", "pod3"}
    await machine.apply(plain, slice_of("web", IPS[1]))
    assert machine.answering(IP, 80) == {"pod3"}
    await machine.apply(plain)
    assert machine.ask(IP, 80) == "refused"
    machine.stop()


async def local_policy() -> None:
    machine = Machine(pods=3)
    slices = slice_of("web", endpoint(IPS[0], nodeName="node"), endpoint(IPS[1], nodeName="far"))
    await machine.apply(service(node_port=NODE_PORT, externalTrafficPolicy="Local"), slices)
    client = machine.pods[2]
    seen = {client.ask(HOST_IP, NODE_PORT) for _ in range(20)}
    assert seen == {f"pod2 {client.ip}"}  # only the local endpoint, and it sees the client's own address
    await machine.apply(service(internalTrafficPolicy="Local"), slices)
    assert {client.ask(IP, 80).split()[0] for _ in range(20)} == {"pod2"}
    machine.stop()


async def udp_flows_follow() -> None:
    machine = Machine(pods=2)
    plain = service(protocol="UDP")
    await machine.apply(plain, slice_of("web", IPS[0], protocol="UDP"))
    assert machine.ask(IP, 80, "UDP", 40000).startswith("pod2")
    await machine.apply(plain, slice_of("web", IPS[1], protocol="UDP"))
    assert machine.ask(IP, 80, "UDP", 40000).startswith("pod3")  # the same flow, but not the gone endpoint
    machine.stop()


async def cleanup() -> None:
    localnet = Path("/proc/sys/net/ipv4/conf/all/route_localnet")
    machine = Machine(pods=1, instance="a")
    run("iptables", "-w", "60", "-t", "nat", "-A", "PREROUTING", "-j", "RETURN")
    before, was = machine.rules(), localnet.read_text()
    await machine.apply(service(node_port=NODE_PORT), slice_of("web", IPS[0]))
    assert machine.rules() != before
    await machine.proxy.remove()
    assert machine.rules() == before
    assert localnet.read_text() == was
    machine.stop()


async def restart() -> None:
    """A proxy that was killed finds its chains again; what it no longer wants goes away."""
    machine = Machine(pods=2, instance="a")
    await machine.apply(service(), slice_of("web", *IPS))
    other = service("other", ip="10.96.0.11")
    await machine.apply(service(), other, slice_of("web", *IPS), slice_of("other", IPS[0]))
    again = Iptables(Settings(instance="a"))
    await machine.apply(service(), slice_of("web", *IPS), proxy=again)
    first = machine.rules()
    assert "10.96.0.11" not in first
    assert first.count("-A PREROUTING") == 1
    assert machine.answering(IP, 80) == {"pod2", "pod3"}
    run(sys.executable, "-m", "proxy", "--cleanup", "--instance", "a")
    assert machine.rules() == ""
    machine.stop()


async def two_instances() -> None:
    machine = Machine(pods=2, instance="a")
    other = Iptables(Settings(instance="b"))
    await machine.apply(service(node_port=NODE_PORT), slice_of("web", IPS[0]))
    await machine.apply(service(ip="10.97.0.10", node_port=NODE_PORT + 1), slice_of("web", IPS[1]), proxy=other)
    assert machine.answering(IP, 80, 5) == {"pod2"}
    assert machine.answering("10.97.0.10", 80, 5) == {"pod3"}
    assert machine.answering(HOST_IP, NODE_PORT, 5) == {"pod2"}
    assert machine.answering("127.0.0.1", NODE_PORT + 1, 5) == {"pod3"}
    await machine.proxy.remove()
    assert machine.answering("127.0.0.1", NODE_PORT + 1, 5) == {"pod3"}
    await other.remove()
    assert machine.rules() == ""
    machine.stop()


async def repair() -> None:
    """Rules that someone else removed come back when the proxy looks after them."""
    machine = Machine(pods=1)
    objects = service(), slice_of("web", IPS[0])
    await machine.apply(*objects)
    run("iptables", "-w", "60", "-t", "nat", "-F")
    machine.proxy.distrust()
    assert await machine.apply(*objects)
    assert machine.answering(IP, 80, 3) == {"pod2"}
    machine.stop()


assert PORT == 8080
