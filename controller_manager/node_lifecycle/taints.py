"""Which taints a node should have, and which a pod tolerates.  Pure functions.

https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from api.core_v1 import Node, Taint, Toleration
from controller_manager.node_lifecycle.health import ready_status

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_BY_CONDITION = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
}
_OURS = {*_BY_CONDITION.values(), UNSCHEDULABLE}


def no_schedule_keys(node: Node) -> set[str]:
    """The keys of the NoSchedule taints that follow from conditions and spec.unschedulable."""
    keys = {_BY_CONDITION[c.type, c.status] for c in node.status.conditions if (c.type, c.status) in _BY_CONDITION}
    return keys | {UNSCHEDULABLE} if node.spec.unschedulable else keys


def no_execute_key(node: Node) -> str:
    """The key of the NoExecute taint that a node in this state should get; empty when it is ready."""
    return {"False": NOT_READY, "Unknown": UNREACHABLE}.get(ready_status(node), "")


def wanted_taints(node: Node, *, may_evict: bool, now: datetime) -> list[Taint]:
    """The node's taints brought up to date, others' left alone.

    `may_evict`: whether a NoExecute taint may be put on now; taking one off, or changing its key, is always free.
    """
    schedule, execute = no_schedule_keys(node), no_execute_key(node)
    had = any(t.effect == "NoExecute" and t.key in (NOT_READY, UNREACHABLE) for t in node.spec.taints)
    result = []
    for taint in node.spec.taints:
        if taint.effect == "NoSchedule" and taint.key in _OURS:
            if taint.key not in schedule:
                continue
            schedule.discard(taint.key)
        elif taint.effect == "NoExecute" and taint.key in (NOT_READY, UNREACHABLE):
            if taint.key != execute:
                continue
            execute = ""
        result.append(taint)
    added = now.replace(microsecond=0)
    result += [Taint(key=key, effect="NoSchedule", timeAdded=added) for key in sorted(schedule)]
    if execute and (may_evict or had):
        result.append(Taint(key=execute, effect="NoExecute", timeAdded=added))
    return result


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    match toleration.operator or "Equal":
        case "Exists":
            return True
        case "Equal":
            return toleration.value == taint.value
        case "Gt" | "Lt" as operator:
            try:
                actual, bound = int(taint.value), int(toleration.value)
            except ValueError:
                return False
            return actual > bound if operator == "Gt" else actual < bound
    return False


def tolerated_seconds(tolerations: Sequence[Toleration], taints: Iterable[Taint]) -> float | None:
    """How long a pod may stay on a node with these NoExecute taints: None is for ever, 0 not at all."""
    shortest: float | None = None
    for taint in taints:
        matching = [t for t in tolerations if tolerates(t, taint)]
        if not matching:
            return 0.0
        limits = [max(0.0, float(t.tolerationSeconds)) for t in matching if t.tolerationSeconds is not None]
        if limits:
            shortest = min([*limits, *([] if shortest is None else [shortest])])
    return shortest


def execute_taints(node: Node) -> list[Taint]:
    return [taint for taint in node.spec.taints if taint.effect == "NoExecute"]
