"""How `make test WORKERS=2` spreads the tests over its workers (docs/adr/0031).

The tests of a file stay together, for the sake of the servers that they share, and so do all that use what the machine
has only once.
"""

from __future__ import annotations

from typing import Any

import pytest

MACHINE = ("tests/cluster/", "tests/kubelet_runtime/", "tests/proxy/", "tests/test_readme.py")
"""Tests that use node ports, rules of the packet filter, or fixed addresses.  The latter are of ranges that no cluster
chooses by itself (`client.cluster.address_ranges`): 198.18.0.0/15, 127.1.0.0/16 with an even third number below 64."""


CLUSTER = "tests/conformance/"
"""Tests that share a whole cluster."""


def group_of(nodeid: str) -> str:
    if nodeid.startswith(MACHINE):
        return "machine"
    return CLUSTER if nodeid.startswith(CLUSTER) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        """`--dist loadgroup` does not see the groups under pytest 9."""

        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return ByGroup(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """For workers, the largest group comes first: it takes as long as many others."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: group_of(item.nodeid) != "machine")
