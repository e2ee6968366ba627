"""A StatefulSet's pods sorted out, those to update, and its status.  Pure functions.

https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#update-strategies
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from api.apps_v1 import ControllerRevision, StatefulSet, StatefulSetStatus
from api.core_v1 import Pod
from controller_manager.deployment.sizes import scaled
from controller_manager.pod_state import is_available, is_ready
from controller_manager.revision_history import REVISION_LABEL, template_of
from controller_manager.stateful_set.identity import new_pod, ordinal_of, ordinals


@dataclass
class Rollout:
    """A StatefulSet with its pods sorted out.

    `replicas` has the pod of every ordinal that is wanted, in order; one without UID is still to be made.  `condemned`
    are the pods of other ordinals, highest first.  `current` is the revision that is being left, `update` the newest.
    """

    stateful_set: StatefulSet
    current: ControllerRevision
    update: ControllerRevision
    replicas: list[Pod]
    condemned: list[Pod]

    @property
    def in_order(self) -> bool:
        return self.stateful_set.spec.podManagementPolicy != "Parallel"


def sort_out(
    stateful_set: StatefulSet, pods: Iterable[Pod], current: ControllerRevision, update: ControllerRevision
) -> Rollout:
    by_ordinal = {ordinal_of(pod): pod for pod in pods}
    wanted = ordinals(stateful_set)
    kept = wanted.start + partition(stateful_set)
    template = cache(lambda revision: template_of({r.metadata.name: r for r in (current, update)}[revision]))
    replicas = []
    for ordinal in wanted:
        pod = by_ordinal.pop(ordinal, None)
        if pod is None:
            revision = (current if ordinal < kept else update).metadata.name
            pod = new_pod(stateful_set, ordinal, template(revision), revision)
        replicas.append(pod)
    condemned = [by_ordinal[ordinal] for ordinal in sorted(by_ordinal, reverse=True)]
    return Rollout(stateful_set, current, update, replicas, condemned)


def partition(stateful_set: StatefulSet) -> int:
    """How many of the first pods stay at the current revision."""
    rolling = stateful_set.spec.updateStrategy.rollingUpdate
    return (rolling.partition or 0) if rolling is not None else 0


def is_running_and_available(pod: Pod, min_ready_seconds: int, now: datetime) -> bool:
    return pod.status.phase == "Running" and is_available(pod, min_ready_seconds, now)


def is_healthy(pod: Pod, min_ready_seconds: int, now: datetime) -> bool:
    """Can be relied on: others may be stopped while it runs."""
    return pod.metadata.deletionTimestamp is None and is_running_and_available(pod, min_ready_seconds, now)


def first_unhealthy(rollout: Rollout, now: datetime) -> Pod | None:
    """The pod that holds everything up: of the lowest ordinal wanted, else of the lowest that is not."""
    seconds = rollout.stateful_set.spec.minReadySeconds
    everyone = [*rollout.replicas, *reversed(rollout.condemned)]
    return next((pod for pod in everyone if not is_healthy(pod, seconds, now)), None)


def to_update(rollout: Rollout, now: datetime) -> list[Pod]:
    """The pods to delete now, so that they come back at the newest revision: highest ordinals first.

    Without maxUnavailable one at a time, and the next when all above it are healthy; an old pod that is not healthy
    is replaced in its turn.  With it (KEP-961) as many as may be missing; with Parallel management also all old ones
    that are no use anyway.
    """
    spec, revision = rollout.stateful_set.spec, rollout.update.metadata.name
    if spec.updateStrategy.type == "OnDelete":
        return []
    targets = rollout.replicas[partition(rollout.stateful_set) :][::-1]
    missing = {p.metadata.name for p in rollout.replicas if not is_healthy(p, spec.minReadySeconds, now)}

    def is_old(pod: Pod) -> bool:
        return pod.metadata.labels.get(REVISION_LABEL) != revision and pod.metadata.deletionTimestamp is None

    limit = max_unavailable(rollout.stateful_set)
    if limit is None:
        first = next((pod for pod in targets if is_old(pod) or pod.metadata.name in missing), None)
        return [first] if first is not None and is_old(first) else []
    old = [pod for pod in targets if is_old(pod)]
    spare = max(limit - len(missing), 0)
    if rollout.in_order:
        return old[:spare]
    useless = [pod for pod in old if pod.metadata.name in missing]
    return useless + [pod for pod in old if pod.metadata.name not in missing][:spare]


def max_unavailable(stateful_set: StatefulSet) -> int | None:
    """How many pods may be missing during an update; None when nothing is said."""
    rolling = stateful_set.spec.updateStrategy.rollingUpdate
    if rolling is None or rolling.maxUnavailable is None:
        return None
    return max(scaled(rolling.maxUnavailable, len(ordinals(stateful_set)), up=False), 1)


def status_of(rollout: Rollout, pods: Sequence[Pod], collisions: int, now: datetime) -> StatefulSetStatus:
    """The status for these pods.  An update is complete, and its revision the current one, when every pod wanted is
    of that revision and ready."""
    stateful_set = rollout.stateful_set
    spec = stateful_set.spec
    current, update = rollout.current.metadata.name, rollout.update.metadata.name
    lasting = [pod.metadata.labels.get(REVISION_LABEL) for pod in pods if pod.metadata.deletionTimestamp is None]
    ready = [pod for pod in pods if pod.status.phase == "Running" and is_ready(pod)]
    status = StatefulSetStatus(
        replicas=len(pods),
        readyReplicas=len(ready),
        availableReplicas=sum(is_available(pod, spec.minReadySeconds, now) for pod in ready),
        currentReplicas=lasting.count(current),
        updatedReplicas=lasting.count(update),
        currentRevision=current,
        updateRevision=update,
        observedGeneration=stateful_set.metadata.generation,
        collisionCount=collisions,
        conditions=stateful_set.status.conditions,
    )
    rolling = spec.updateStrategy.type == "RollingUpdate"
    if rolling and status.updatedReplicas == status.replicas == status.readyReplicas == len(ordinals(stateful_set)):
        status.currentReplicas, status.currentRevision = status.updatedReplicas, update
    return status
