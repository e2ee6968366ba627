"""What a pod asks of a node, in whole numbers.

CPU is in thousandths of a core, memory and ephemeral storage in bytes, everything else in units.  The
rule for init containers, sidecars and overhead:
https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers and
KEP-753 (sidecars), KEP-2837 (pod-level resources), KEP-1287 (in-place resize).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from api.core_v1 import Container, ContainerStatus, Pod
from api.quantity import milli, whole

CPU, MEMORY, EPHEMERAL_STORAGE, PODS = "cpu", "memory", "ephemeral-storage", "pods"

DEFAULT_MILLI_CPU = 100
DEFAULT_MEMORY = 200 * 1024 * 1024
"""What a container without requests counts as in scores, so that such pods spread too."""

Amounts = dict[str, int]


def amounts(quantities: Mapping[str, str]) -> Amounts:
    """Quantities as integers: thousandths for cpu, units for all else."""
    return {name: milli(q) if name == CPU else whole(q) for name, q in quantities.items()}


def add(total: Amounts, more: Mapping[str, int]) -> None:
    """Add in place."""
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def most(total: Amounts, other: Mapping[str, int]) -> None:
    """Keep the larger of each in place."""
    for name, amount in other.items():
        if amount > total.get(name, 0):
            total[name] = amount


def pod_requests(pod: Pod, *, defaults: Mapping[str, int] | None = None) -> Amounts:
    """What the node must have free for the pod.

    `defaults` are amounts assumed for containers that do not name them (for scores).
    """
    spec = pod.spec
    resized = _granted(pod)
    total: Amounts = {}
    for container in spec.containers:
        add(total, _container(container, resized, defaults))
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in spec.initContainers:
        wants = _container(container, resized, defaults)
        if container.restartPolicy == "Always":
            add(total, wants)
            add(sidecars, wants)
            most(starting, sidecars)
        else:
            add(wants, sidecars)
            most(starting, wants)
    most(total, starting)
    if spec.resources is not None and spec.resources.requests:
        total.update(
            (name, amount)
            for name, amount in amounts(spec.resources.requests).items()
            if name in (CPU, MEMORY) or name.startswith("hugepages-")
        )
    if spec.overhead:
        add(total, amounts(spec.overhead))
    return total


def _container(container: Container, resized: Mapping[str, Amounts], defaults: Mapping[str, int] | None) -> Amounts:
    wants = amounts(container.resources.requests)
    if container.name in resized:
        most(wants, resized[container.name])
    if defaults:
        for name, amount in defaults.items():
            wants.setdefault(name, amount)
    return wants


def _granted(pod: Pod) -> dict[str, Amounts]:
    """What running containers hold already: more than they ask for while a resize down is under way."""
    found: dict[str, Amounts] = {}
    for status in _statuses(pod):
        held: Amounts = {}
        if status.allocatedResources:
            most(held, amounts(status.allocatedResources))
        if status.resources is not None and status.resources.requests:
            most(held, amounts(status.resources.requests))
        if held:
            found[status.name] = held
    return found


def _statuses(pod: Pod) -> Iterable[ContainerStatus]:
    yield from pod.status.containerStatuses
    yield from pod.status.initContainerStatuses
