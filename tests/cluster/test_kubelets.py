"""Which kubelets a cluster has, and their ports beside those of other clusters."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from client.cluster.components import Component, components_of
from client.cluster.data_dir import DataDir, Settings
from client.cluster.ports import KubeletPorts, port_is_free
from client.cluster.up import with_ports
from tests.cluster.support import needs_linux
from tests.ports import free_port

pytestmark = needs_linux


@pytest.fixture
def ports() -> Iterator[KubeletPorts]:
    with contextlib.closing(KubeletPorts()) as chosen:
        yield chosen


def test_clusters_that_start_at_once_choose_different_ports() -> None:
    first = free_port()
    with contextlib.closing(KubeletPorts(first)) as one, contextlib.closing(KubeletPorts(first)) as other:
        chosen = [one.take(), other.take(), one.take(), other.take()]
        assert chosen[0] == first
        assert len(set(chosen)) == 4
    with contextlib.closing(KubeletPorts(first)) as later:
        assert later.take() == first


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_port_that_is_listened_on_is_passed_over(address: str) -> None:
    with socket.create_server((address, 0)) as taken:
        port = taken.getsockname()[1]
        assert not port_is_free("0.0.0.0", port)
        with contextlib.closing(KubeletPorts(port)) as ports:
            assert ports.take() > port


def test_only_what_needs_a_port_gets_one(ports: KubeletPorts) -> None:
    components = [Component("a", "a", ("--x",)), Component("k", "kubelet", ("--y",), needs_port=True)]
    plain, served = with_ports(components, ports)
    assert plain.arguments == ("--x",)
    assert served.arguments[:2] == ["--y", "--port"]
    assert int(served.arguments[2]) >= 10250


@pytest.mark.parametrize("runtime", ["sim", "process"])
def test_every_kubelet_needs_a_port(tmp_path_factory: pytest.TempPathFactory, runtime: str) -> None:
    settings = Settings(nodes=2, runtime=runtime, pod_range="10.64.0.0/16", service_range="10.65.0.0/16")
    found = components_of(DataDir(tmp_path_factory.mktemp("data")), settings, privileged=False)
    assert {component.module for component in found if component.needs_port} == {"kubelet"}
    assert all(component.needs_port for component in found if component.module == "kubelet")


@pytest.mark.parametrize("runtime", ["sim", "process"])
def test_a_cluster_without_nodes_has_no_kubelet(tmp_path_factory: pytest.TempPathFactory, runtime: str) -> None:
    settings = Settings(nodes=0, runtime=runtime, pod_range="10.64.0.0/16", service_range="10.65.0.0/16")
    found = components_of(DataDir(tmp_path_factory.mktemp("data")), settings, privileged=False)
    assert "kubelet" not in {component.module for component in found}
    assert {"apiserver", "controller-manager", "scheduler"} <= {component.name for component in found}
