"""What a node's heartbeats say.  Pure functions and one small record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from api.coordination_v1 import Lease
from api.core_v1 import Node, NodeCondition

WATCHED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


@dataclass
class Heartbeat:
    """When a node was last seen to change anything, on the observer's own clock: nodes' clocks are not trusted."""

    seen_at: float
    conditions: Sequence[NodeCondition] = ()
    lease: str = ""


def observe(known: Heartbeat | None, node: Node, lease: Lease | None, now: float) -> Heartbeat:
    """The heartbeat record after a look at the node and its Lease; `now` in seconds of a monotonic clock."""
    conditions = node.status.conditions
    renewed = lease.metadata.resourceVersion if lease is not None else ""
    if known is None or renewed != known.lease:
        return Heartbeat(now, conditions, renewed)
    if conditions is not known.conditions and _reported(conditions) != _reported(known.conditions):
        # it may be we who wrote that nothing is known
        return Heartbeat(known.seen_at if _is_unknown(node) else now, conditions, renewed)
    known.conditions = conditions
    return known


def _reported(conditions: Iterable[NodeCondition]) -> list[NodeCondition]:
    """What the node itself says."""
    return [condition for condition in conditions if condition.reason != "NodeStatusUnknown"]


def _is_unknown(node: Node) -> bool:
    condition = ready(node)
    return condition is not None and condition.status == "Unknown"


def ready(node: Node) -> NodeCondition | None:
    return next((c for c in node.status.conditions if c.type == "Ready"), None)


def ready_status(node: Node) -> str:
    """True, False or Unknown; Unknown also for a node that never reported."""
    condition = ready(node)
    return condition.status if condition is not None else "Unknown"


def lost_conditions(node: Node, now: datetime) -> list[NodeCondition]:
    """The node's conditions once it has been silent for too long: nothing is known any more."""
    now = now.replace(microsecond=0)
    result = [c for c in node.status.conditions if c.type not in WATCHED]
    for type in WATCHED:
        known = next((c for c in node.status.conditions if c.type == type), None)
        if known is None:
            result.append(
                NodeCondition(
                    type=type,
                    status="Unknown",
                    reason="NodeStatusNeverUpdated",
                    message="Kubelet never posted node status.",
                    lastHeartbeatTime=node.metadata.creationTimestamp,
                    lastTransitionTime=now,
                )
            )
        elif known.status == "Unknown":
            result.append(known)
        else:
            changes = {
                "status": "Unknown",
                "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
                "lastTransitionTime": now,
            }
            result.append(known.model_copy(update=changes))
    return result
