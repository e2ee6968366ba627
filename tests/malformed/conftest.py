"""A server that must survive everything that is sent to it here, and go on answering."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.apiserver.conftest import ApiServer, admin, namespace

__all__ = ["admin", "namespace"]

GROWTH = 350  # MB that all these tests together may cost, the validators of 68 kinds among them


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """At the end it has not grown, has not failed once, and stops when told to."""
    running = ApiServer(tmp_path_factory.mktemp("malformed"))
    running.start()
    with running.client() as client:
        client.get("/openapi/v2")  # what is made once is made
    before = resident(running)
    yield running
    grown = resident(running) - before
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()
    assert grown < GROWTH, f"the server has grown by {grown} MB"


@pytest.fixture(autouse=True)
def responsive(admin: httpx.Client) -> Iterator[None]:
    """Whatever a test has done, others are answered at once."""
    yield
    assert admin.get("/readyz").text == "ok"


def resident(server: ApiServer) -> int:
    """MB of memory that the server's process holds; 0 where there is no /proc."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status")
    if not status.exists():
        return 0
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) // 1024
