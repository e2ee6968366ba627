"""One server for the clients of the ecosystem; each test has a namespace of its own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apiserver.conftest import ApiServer, admin, namespace, server
from tests.ecosystem.kubectl import Kubectl

__all__ = ["admin", "namespace", "server"]


@pytest.fixture(scope="package", autouse=True)
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Client libraries put certificates, keys and discovery into temporary files, and not all of them take those away:
    they are to be in the tests' own folder."""
    folder = str(tmp_path_factory.mktemp("clients"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """kubectl's: it keeps discovery there."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def kubectl(server: ApiServer, home: Path, namespace: str) -> Kubectl:
    return Kubectl(server, home, namespace)


@pytest.fixture
def kubeconfig(server: ApiServer, tmp_path: Path, namespace: str) -> Path:
    """The administrator's, for clients that read one; the test's namespace is the current one."""
    cluster = {"server": server.url, "certificate-authority": str(server.folder / "data/pki/ca.crt")}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "nanokube", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": "admintoken"}}],
        "contexts": [
            {"name": "test", "context": {"cluster": "nanokube", "user": "admin", "namespace": namespace}},
        ],
        "current-context": "test",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(document))
    return path
