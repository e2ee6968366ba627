"""A server, and real kubectl that talks to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apiserver.conftest import ApiServer
from tests.protobuf import published


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    running = ApiServer(tmp_path_factory.mktemp("protobuf"))
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="session")
def kubernetes_messages() -> dict[str, published.Message]:
    """The messages as Kubernetes' own program describes them."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("needs kubectl")
    found = published.messages(Path(kubectl).resolve())
    if "k8s.io.api.core.v1.Pod" not in found:
        pytest.skip("this kubectl has no protobuf descriptors in it")
    return found
