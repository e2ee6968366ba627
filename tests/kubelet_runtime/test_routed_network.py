"""Pods with addresses of their own, on the real kernel."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kubelet.network import namespace
from kubelet.network.netlink import Netlink
from kubelet.network.pod_network import NetworkFailure, PodAddress
from kubelet.network.routed import RoutedNetwork
from kubelet.runtime.process.runtime import ProcessRuntime
from kubelet.runtime.protocol import SandboxConfig
from tests.kubelet_runtime.conftest import Bench, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

RANGE, OTHER_RANGE = "198.19.78.0/24", "198.19.79.0/24"


def links() -> set[str]:
    with Netlink() as host:
        return {link.name for link in host.links()}


def chains() -> list[str]:
    if shutil.which("iptables") is None:
        return []
    return [
        line
        for table in ("nat", "filter")
        for line in subprocess.run(
            ["iptables", "-w", "60", "-t", table, "-S"], text=True, capture_output=True
        ).stdout.splitlines()
        if "NANOKUBE-OUT" in line or "NANOKUBE-FWD" in line
    ]


@pytest.fixture
async def node(home: Path) -> AsyncIterator[Bench]:
    before = links(), set(namespace.DIRECTORY.glob("*")), chains()
    bench = Bench(home, ProcessRuntime(home / "state", RANGE))
    await bench.runtime.start()
    yield bench
    await bench.finish()
    after = links(), set(namespace.DIRECTORY.glob("*")), chains()
    # Others on this machine may come and go: ours must be gone.
    tag = bench.runtime._network._tag  # type: ignore[union-attr]
    assert not [name for name in after[0] - before[0] if name.startswith(tag)]
    assert not [path for path in after[1] - before[1] if path.name.startswith(tag)]
    assert not [line for line in after[2] if tag in line]


async def serve(bench: Bench, sandbox: str, port: int = 80) -> str:
    command = ["/usr/bin/python3", "-m", "http.server", str(port), "-d", "/etc"]
    if not os.path.exists(command[0]):
        pytest.skip("needs python3 in /usr/bin")
    container = await bench.run(*command, sandbox=sandbox, environment={"PYTHONUNBUFFERED": "1"})
    log = Path((await bench.status(container)).log_path)
    await until(lambda: log.exists() and "Serving" in log.read_text(), "the server")
    return container


async def connect(ip: str, port: int) -> bytes:
    reader, writer = await asyncio.wait_for(asyncio.open_connection(ip, port), 60)
    writer.write(b"GET /passwd HTTP/1.0\r\n\r\n")
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer


def ip_of(bench: Bench, sandbox: str) -> str:
    return bench.runtime._sandboxes[sandbox].sandbox.ips[0]


async def test_two_pods_serve_the_same_port_and_the_host_reaches_both(node: Bench) -> None:
    assert node.runtime.features.pod_network
    one, two = await node.sandbox(), await node.sandbox()
    await serve(node, one)
    await serve(node, two)
    for sandbox in (one, two):
        assert b"200" in await connect(ip_of(node, sandbox), 80)


async def test_pods_reach_each_other_the_host_and_themselves(node: Bench) -> None:
    one, two = await node.sandbox(), await node.sandbox()
    server = await serve(node, one)
    client = await node.run("sleep", "1000", sandbox=two)
    ask = "import socket,sys; s=socket.create_connection((sys.argv[1], 80), 50); print(s.getsockname()[0])"
    command = ["/usr/bin/python3", "-c", ask, ip_of(node, one)]
    seen = await node.runtime.exec_sync(client, command, 60)
    assert seen.stdout.decode().strip() == ip_of(node, two)
    assert (await node.runtime.exec_sync(server, command, 60)).exit_code == 0
    local = await node.runtime.exec_sync(server, [*command[:3], "127.0.0.1"], 60)
    assert local.exit_code == 0
    listener = await asyncio.start_server(lambda r, w: w.close(), "0.0.0.0", 0)
    port = listener.sockets[0].getsockname()[1]
    gateway = RANGE.replace(".0/24", ".1")
    probe = f"import socket; socket.create_connection(('{gateway}', {port}), 50)"
    reached = await node.runtime.exec_sync(client, ["/usr/bin/python3", "-c", probe], 60)
    listener.close()
    await listener.wait_closed()
    assert reached.exit_code == 0, reached.stderr


async def test_two_nodes_on_one_machine_reach_each_other(node: Bench, home: Path) -> None:
    (home / "other").mkdir()
    other = Bench(home / "other", ProcessRuntime(home / "other" / "state", OTHER_RANGE))
    await other.runtime.start()
    one, two = await node.sandbox(), await other.sandbox()
    await serve(node, one)
    client = await other.run("sleep", "1000", sandbox=two)
    ask = f"import socket; s=socket.create_connection(('{ip_of(node, one)}', 80), 50); print(s.getsockname()[0])"
    seen = await other.runtime.exec_sync(client, ["/usr/bin/python3", "-c", ask], 60)
    assert seen.stdout.decode().strip() == ip_of(other, two)
    await other.finish()
    assert b"200" in await connect(ip_of(node, one), 80)


async def test_host_network_pods_have_the_hosts(node: Bench) -> None:
    sandbox = await node.sandbox(host_network=True)
    assert (await node.runtime.list_sandboxes())[0].ips == ()
    container = await node.run("ls", "/sys/class/net", sandbox=sandbox)
    assert {"lo"} <= set((await node.output(container)).split())
    inner = await node.run("cat", "/proc/net/dev", sandbox=await node.sandbox())
    names = {line.split(":")[0].strip() for line in (await node.output(inner)).splitlines()[2:]}
    assert names == {"lo", "eth0"}


async def test_the_network_survives_the_kubelet(node: Bench) -> None:
    sandbox = await node.sandbox()
    await serve(node, sandbox)
    ip = ip_of(node, sandbox)
    await node.runtime.close()
    assert b"200" in await connect(ip, 80)
    again = ProcessRuntime(node.home / "state", RANGE)
    await again.start()
    node.runtime = again
    assert ip_of(node, sandbox) == ip
    assert ip_of(node, await node.sandbox()) != ip
    assert b"200" in await connect(ip, 80)


async def test_a_lost_namespace_makes_the_sandbox_not_ready(node: Bench) -> None:
    sandbox = await node.sandbox()
    record = node.runtime._sandboxes[sandbox]
    await node.runtime.close()
    namespace.remove(Path(record.network_namespace))
    node.runtime = ProcessRuntime(node.home / "state", RANGE)
    await node.runtime.start()
    assert [s.state for s in await node.runtime.list_sandboxes()] == ["not-ready"]


async def test_leftovers_of_a_node_are_swept(home: Path) -> None:
    network = RoutedNetwork(str(home))
    await network.start(RANGE, {})
    address = await network.add("f" * 64)
    again = RoutedNetwork(str(home))
    assert await again.start(RANGE, {"f" * 64: address}) == set()
    assert Path(address.namespace).exists()
    third = RoutedNetwork(str(home))
    await third.start(RANGE, {})
    assert not Path(address.namespace).exists()
    assert not any(name.startswith(third._tag) for name in links())
    await third.cleanup()
    await third.cleanup()


async def test_a_range_that_is_in_use_is_refused(home: Path) -> None:
    one, two = RoutedNetwork(str(home / "1")), RoutedNetwork(str(home / "2"))
    await one.start(RANGE, {})
    await one.add("a" * 64)
    with pytest.raises(NetworkFailure, match="in use on this machine"):
        await two.start(RANGE, {})
    await one.cleanup()
    await two.start(RANGE, {})
    await two.cleanup()


async def test_removal_is_idempotent(home: Path) -> None:
    network = RoutedNetwork(str(home))
    await network.start(RANGE, {})
    address = await network.add("b" * 64)
    await network.remove("b" * 64, address)
    await network.remove("b" * 64, address)
    await network.remove("c" * 64, PodAddress("198.19.78.9", "/run/netns/nothing"))
    assert (await network.add("d" * 64)).ip != address.ip
    await network.cleanup()


async def test_a_pod_without_a_range_has_to_wait(home: Path) -> None:
    bench = Bench(home, ProcessRuntime(home / "state"))
    await bench.runtime.start()
    with pytest.raises(Exception, match="no pod range yet"):
        await bench.sandbox()
    await bench.runtime.run_sandbox(SandboxConfig("u", "n", "d", "h", host_network=True))
    await bench.runtime.update_pod_cidr(RANGE)
    await bench.sandbox()
    await bench.finish()
