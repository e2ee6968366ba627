"""Why a pod could not be scheduled, in the words `kubectl describe` shows and tools look for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from scheduler.framework import Status

NO_NODES = "no nodes available to schedule pods"


class NoNodesAvailable(Exception):
    """There are no nodes at all."""

    def __str__(self) -> str:
        return NO_NODES


@dataclass
class Unfit(Exception):
    """No node takes the pod.  `statuses` has each node's first objection, by node name."""

    node_count: int
    statuses: Mapping[str, Status] = field(default_factory=dict)
    pre_filter: str = ""
    """What a plugin said before it looked at any node."""
    post_filter: str = ""
    """What came of trying to make room."""

    @property
    def plugins(self) -> set[str]:
        """The plugins whose objections a later event may lift."""
        return {status.plugin for status in self.statuses.values() if status.plugin}

    def __str__(self) -> str:
        text = summary(self.node_count, [self.pre_filter] if self.pre_filter else reasons(self.statuses))
        return f"{text} {self.post_filter}" if self.post_filter else text


def reasons(statuses: Mapping[str, Status]) -> list[str]:
    """Each reason with the number of nodes that gave it, in order of the text."""
    counted = Counter(reason for status in statuses.values() for reason in status.reasons)
    return sorted(f"{count} {reason}" for reason, count in counted.items())


def summary(node_count: int, parts: list[str]) -> str:
    """ "0/3 nodes are available: 1 Insufficient cpu, 2 Too many pods." """
    text = f"0/{node_count} nodes are available:"
    return f"{text} {', '.join(parts)}." if parts else text
