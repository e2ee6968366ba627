"""The seam between a runtime and the network of its pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class NetworkFailure(Exception):
    """The pod's network could not be made.  The message is for the user."""


@dataclass(frozen=True, slots=True)
class PodAddress:
    ip: str
    namespace: str = ""  # path of the network namespace; "" when the pod uses the host's


class PodNetwork(Protocol):
    """Gives pods addresses.  Safe for concurrent use.

    `limit` says in a sentence what this network cannot do; "" when it is all that Kubernetes asks of one.
    """

    @property
    def isolated(self) -> bool:
        """Each pod has a network namespace of its own."""
        ...

    @property
    def limit(self) -> str: ...

    async def start(self, pod_cidr: str, existing: Mapping[str, PodAddress]) -> set[str]:
        """Take over the sandboxes of an earlier kubelet (by id) and sweep away what belongs to none of them.
        Returns those whose network is no more (a reboot).  Raises NetworkFailure."""
        ...

    async def add(self, sandbox_id: str) -> PodAddress:
        """Raises NetworkFailure, having undone what was done."""
        ...

    async def remove(self, sandbox_id: str, address: PodAddress) -> None:
        """Idempotent."""
        ...

    async def close(self) -> None:
        """Let go; pods keep their network."""
        ...

    async def cleanup(self) -> None:
        """Remove everything this network made on the host, after the last pod."""
        ...
