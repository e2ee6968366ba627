"""How `make test` spreads the tests over its workers (docs/adr/0031): a file stays together for the servers that its
tests share, and folders whose tests use fixed addresses of the machine stay together too."""

from __future__ import annotations

import pytest

TOGETHER = ("cluster", "kubelet_runtime", "proxy")
"""Folders whose tests would meet at fixed addresses.  Those are of ranges that no cluster chooses by itself
(`client.cluster.address_ranges`): 198.18.0.0/15, 127.1.0.0/16 with an even third number below 64."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        path = item.path.relative_to(config.rootpath / "tests")
        group = path.parts[0] if path.parts[0] in TOGETHER else path.with_suffix("").as_posix()
        item.add_marker(pytest.mark.xdist_group(group))
