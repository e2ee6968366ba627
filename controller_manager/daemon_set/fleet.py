"""A DaemonSet's pods by their nodes: what each node lacks or has too much of, and the status.  Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from api.apps_v1 import DaemonSet, DaemonSetStatus
from api.core_v1 import Node, Pod
from controller_manager.daemon_set.placement import GENERATION, GENERATION_LABEL, Placement, placement, target_node
from controller_manager.deployment.sizes import scaled
from controller_manager.pod_state import is_available, is_finished, is_ready
from controller_manager.revision_history import REVISION_LABEL


@dataclass
class Fleet:
    """A DaemonSet with its nodes and pods sorted out.

    `revision` is the hash of its newest revision.  `places` says of every node whether it runs the pod.  `pods` are
    those of each node that has any, or will have; a node in `pods` may be gone.
    """

    daemon_set: DaemonSet
    revision: str
    places: dict[str, Placement]
    pods: dict[str, list[Pod]]

    @property
    def desired(self) -> int:
        return sum(place is Placement.RUNS for place in self.places.values())

    @property
    def max_surge(self) -> int:
        rolling = self.daemon_set.spec.updateStrategy.rollingUpdate
        return scaled(rolling.maxSurge, self.desired, up=True) if self._is_rolling and rolling else 0

    @property
    def max_unavailable(self) -> int:
        """At least one where nothing may surge, or nothing could ever move."""
        rolling = self.daemon_set.spec.updateStrategy.rollingUpdate
        most = scaled(rolling.maxUnavailable, self.desired, up=True) if self._is_rolling and rolling else 0
        return most if most or self.max_surge else 1

    @property
    def _is_rolling(self) -> bool:
        return self.daemon_set.spec.updateStrategy.type == "RollingUpdate"

    def is_available(self, pod: Pod, now: datetime) -> bool:
        return is_available(pod, self.daemon_set.spec.minReadySeconds, now)

    def is_updated(self, pod: Pod) -> bool:
        """Of the newest revision, by its hash or by the number that DaemonSets had before they had revisions."""
        generation = self.daemon_set.metadata.annotations.get(GENERATION)
        labels = pod.metadata.labels
        return labels.get(REVISION_LABEL) == self.revision or (
            generation is not None and labels.get(GENERATION_LABEL) == generation
        )


def sort_out(daemon_set: DaemonSet, revision: str, nodes: Iterable[Node], pods: Iterable[Pod]) -> Fleet:
    places = {node.metadata.name: placement(daemon_set, node) for node in nodes}
    by_node: dict[str, list[Pod]] = {}
    for pod in sorted(pods, key=_age):
        node = target_node(pod)
        if node and not (is_finished(pod) and pod.metadata.deletionTimestamp is not None):
            by_node.setdefault(node, []).append(pod)
    return Fleet(daemon_set, revision, places, by_node)


def _age(pod: Pod) -> tuple[bool, str, str]:
    """Those on a node first, then the oldest."""
    return not pod.spec.nodeName, str(pod.metadata.creationTimestamp), pod.metadata.name


@dataclass
class Work:
    """What there is to do: nodes to make a pod for, pods to delete, and (`finished`) pods to replace in time."""

    missing: list[str] = field(default_factory=list)
    surplus: list[Pod] = field(default_factory=list)
    finished: list[Pod] = field(default_factory=list)


def work_on(fleet: Fleet, now: datetime) -> Work:
    """What keeps one pod on each node that is to have one (while surging an old and a new one), and no others."""
    work = Work()
    for node, place in fleet.places.items():
        pods = fleet.pods.get(node)
        if pods is None:
            if place is Placement.RUNS:
                work.missing.append(node)
            continue
        lasting = [pod for pod in pods if pod.metadata.deletionTimestamp is None]
        if place is Placement.NOT_THERE:
            work.surplus += lasting
            continue
        work.finished += [pod for pod in lasting if is_finished(pod)]
        running = [pod for pod in lasting if not is_finished(pod)]
        work.surplus += _excess(fleet, running, now) if fleet.max_surge else running[1:]
    for node, pods in fleet.pods.items():
        if node not in fleet.places:
            work.surplus += [pod for pod in pods if not pod.spec.nodeName and pod.metadata.deletionTimestamp is None]
    return work


def _excess(fleet: Fleet, running: list[Pod], now: datetime) -> list[Pod]:
    """All but the oldest new and the oldest old pod; and that too once the new one does, or the old one doesn't."""
    if len(running) <= 1:
        return []
    new = [pod for pod in running if pod.metadata.labels.get(REVISION_LABEL) == fleet.revision]
    old = [pod for pod in running if pod.metadata.labels.get(REVISION_LABEL) != fleet.revision]
    excess = new[1:] + old[1:]
    if new and old and (not is_ready(old[0]) or fleet.is_available(new[0], now)):
        excess.append(old[0])
    return excess


def status_of(fleet: Fleet, generation: int, collisions: int, now: datetime) -> DaemonSetStatus:
    """Counts nodes, by the oldest pod of each."""
    status = DaemonSetStatus(
        currentNumberScheduled=0,
        desiredNumberScheduled=fleet.desired,
        numberMisscheduled=0,
        numberReady=0,
        observedGeneration=generation,
        collisionCount=collisions or fleet.daemon_set.status.collisionCount,
        conditions=fleet.daemon_set.status.conditions,
    )
    for node, place in fleet.places.items():
        pods = fleet.pods.get(node)
        if not pods:
            continue
        if place is not Placement.RUNS:
            status.numberMisscheduled += 1
            continue
        status.currentNumberScheduled += 1
        status.updatedNumberScheduled += fleet.is_updated(pods[0])
        status.numberReady += is_ready(pods[0])
        status.numberAvailable += fleet.is_available(pods[0], now)
    status.numberUnavailable = status.desiredNumberScheduled - status.numberAvailable
    return status
