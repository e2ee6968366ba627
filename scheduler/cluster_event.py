"""What happened in the cluster, as far as it may let a waiting pod be scheduled (KEP-4247)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto

from api.core_v1 import Node, Pod


class Change(Flag):
    NODE_ADDED = auto()
    NODE_ALLOCATABLE = auto()
    NODE_LABELS = auto()
    NODE_TAINTS = auto()
    """Taints or `spec.unschedulable`."""
    NODE_REMOVED = auto()
    POD_ASSIGNED = auto()
    """A pod got its node."""
    POD_LABELS = auto()
    """The labels of a pod on a node changed, or it began to terminate and no longer counts for spreading."""
    POD_SMALLER = auto()
    """A pod on a node asks for less."""
    POD_DELETED = auto()
    """A pod left its node: it was deleted or has finished."""
    NAMESPACE_LABELS = auto()
    OTHER = auto()
    """Something no built-in plugin cares about."""


NODE = Change.NODE_ADDED | Change.NODE_ALLOCATABLE | Change.NODE_LABELS | Change.NODE_TAINTS


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """One change; `node` or `pod` is the object concerned as it is now (or last was)."""

    change: Change
    node: Node | None = None
    pod: Pod | None = None


def node_changes(old: Node, new: Node) -> Change:
    """What in a node changed that matters here; a heartbeat changes nothing."""
    change = Change(0)
    if old.status.allocatable != new.status.allocatable:
        change |= Change.NODE_ALLOCATABLE
    if old.metadata.labels != new.metadata.labels:
        change |= Change.NODE_LABELS
    if old.spec.taints != new.spec.taints or old.spec.unschedulable != new.spec.unschedulable:
        change |= Change.NODE_TAINTS
    return change
