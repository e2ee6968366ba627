"""Whether a node takes a pod that was bound to it: the scheduler may have been wrong, or passed over.

See https://kubernetes.io/docs/concepts/scheduling-eviction/ (a refused pod fails with reason OutOf<resource>,
NodeAffinity or OutOfpods).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from api.core_v1 import Pod
from api.quantity import milli, parse, whole
from api.resources import names_devices
from kubelet.restart import is_sidecar


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: str
    message: str


def admit(pod: Pod, others: Iterable[Pod], allocatable: Mapping[str, str], labels: Mapping[str, str]) -> Refusal | None:
    """None, or why the pod does not fit beside the others (those that are not over).

    Extended resources that the node knows nothing of are somebody else's to count, a scheduler extender's for one.
    """
    if any(labels.get(key) != value for key, value in pod.spec.nodeSelector.items()):
        return Refusal(
            "NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
        )
    requested = requests(pod)
    used: dict[str, Decimal] = {}
    count = 0
    for other in others:
        count += 1
        for name, amount in requests(other).items():
            used[name] = used.get(name, Decimal(0)) + amount
    places = int(parse(allocatable.get("pods", "0")))
    if count + 1 > places:
        return Refusal("OutOfpods", _message("pods", 1, count, places))
    for name, amount in requested.items():
        if names_devices(name) and name not in allocatable:
            continue
        total = parse(allocatable.get(name, "0"))
        if amount and used.get(name, Decimal(0)) + amount > total:
            return Refusal(
                f"OutOf{name}",
                _message(name, _unit(name, amount), _unit(name, used.get(name, Decimal(0))), _unit(name, total)),
            )
    return None


def requests(pod: Pod) -> dict[str, Decimal]:
    """What a pod takes: its containers and sidecars together, or its hungriest init container if that is more."""
    total: dict[str, Decimal] = {}
    for container in [*pod.spec.containers, *(c for c in pod.spec.initContainers if is_sidecar(c))]:
        for name, amount in container.resources.requests.items():
            total[name] = total.get(name, Decimal(0)) + parse(amount)
    for container in pod.spec.initContainers:
        for name, amount in container.resources.requests.items():
            total[name] = max(total.get(name, Decimal(0)), parse(amount))
    for name, amount in pod.spec.overhead.items():
        total[name] = total.get(name, Decimal(0)) + parse(amount)
    return total


def _unit(name: str, amount: Decimal) -> int:
    return milli(str(amount)) if name == "cpu" else whole(str(amount))


def _message(name: str, requested: int, used: int, total: int) -> str:
    return f"Node didn't have enough resource: {name}, requested: {requested}, used: {used}, capacity: {total}"
