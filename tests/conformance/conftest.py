from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator

import pytest

from client.config import load_kubeconfig
from tests.cluster.support import RunningCluster, running_cluster, until
from tests.conformance.api import Api, Space

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Two nodes that pretend to run containers; all else is as real as it gets."""
    if sys.platform != "linux":
        pytest.skip("the launcher needs Linux")
    with running_cluster(tmp_path_factory.mktemp("conformance"), "--runtime", "sim", "--nodes", "2") as running:
        yield running


@pytest.fixture(scope="package")
def api(cluster: RunningCluster) -> Iterator[Api]:
    connected = Api(load_kubeconfig(cluster.kubeconfig))
    yield connected
    connected.close()


@pytest.fixture
def space(api: Api) -> Iterator[Space]:
    """A namespace of the test's own, in which pods can be made; it goes with all that is in it."""
    made = Space(api, f"test-{next(_numbers)}")
    api.of("namespaces").create({"metadata": {"name": made.name}})
    until(lambda: made("serviceaccounts").find("default"), "the namespace has its service account")
    yield made
    api.of("namespaces").delete(made.name)
