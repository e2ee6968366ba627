"""How `make test` spreads the tests over its workers (docs/adr/0031).

The tests of a file stay together, for the sake of the servers that they share, and so do all that use what the machine
has only once.
"""

from __future__ import annotations

from typing import Any

import pytest

SHARED = {
    "node ports": (  # and port 6443
        "tests/cluster/test_compose.py",
        "tests/cluster/test_kill9.py",
        "tests/cluster/test_main_job.py",
        "tests/cluster/test_unprivileged.py",
        "tests/test_readme.py",
    ),
    "addresses": ("tests/kubelet_runtime/", "tests/proxy/"),
    "conformance": ("tests/conformance/",),
}
"""What some tests must have to themselves: node ports; fixed addresses, of ranges that no cluster chooses by itself
(`client.cluster.address_ranges`: 198.18.0.0/15, 127.1.0.0/16 with an even third number below 64); a whole cluster."""

LONG = (
    "node ports",
    "tests/cluster/test_idle.py",
    "tests/oracle/test_recorded.py",
    "conformance",
    "addresses",
    "tests/ecosystem/test_kubectl_every_kind.py",
    "tests/security/test_slow_policies.py",
    "tests/malformed/test_bodies.py",
    "tests/controllers/test_every_controller_killed.py",
)
"""What takes longest comes first, lest everybody waits for it in the end."""


def group_of(nodeid: str) -> str:
    for name, files in SHARED.items():
        if nodeid.startswith(files):
            return name
    return nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        """`--dist loadgroup` does not see the groups under pytest 9."""

        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return ByGroup(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        rank = {name: number for number, name in enumerate(LONG)}
        items.sort(key=lambda item: rank.get(group_of(item.nodeid), len(LONG)))
