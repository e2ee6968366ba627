"""Keeps as many pods running as a ReplicaSet asks for, or a ReplicationController (see `replication_controller`).

https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from api.apps_v1 import ReplicaSet, ReplicaSetCondition, ReplicaSetStatus
from api.core_v1 import Pod
from api.meta_v1 import LabelSelector
from api.model import Model
from client.controller import Controller, Key, Watches, controller_of, owner
from client.store import key_of
from controller_manager.claim import OWNER, by_controller, claim
from controller_manager.expectations import Expectations
from controller_manager.pod_control import PodControl, namespace_is_ending
from controller_manager.pod_ranking import least_missed
from controller_manager.pod_state import (
    is_active,
    is_available,
    is_finished,
    is_ready,
    is_terminating,
    next_availability,
)
from controller_manager.pod_template import pod_from_template
from controller_manager.selectors import matches
from controller_manager.status_writer import write_status

_BURST = 500
_COALESCE = 0.03
"""Seconds within which a ReplicaSet's pod events become one reconcile."""


class ReplicaSetController(Controller):
    """`kind` is what it works on: ReplicaSet, or another with the same fields."""

    name = "replicaset-controller"
    kind: ClassVar[Any] = ReplicaSet

    def selector(self, replica_set: Any) -> LabelSelector | None:
        """Labels by which the pods of an object of `kind` are known."""
        selector: LabelSelector | None = replica_set.spec.selector
        return selector

    def status(
        self, replica_set: Any, pods: list[Pod], terminating: int, failure: Failure | None, now: datetime
    ) -> Model:
        """The status of `kind` for these active pods."""
        return status_of(replica_set, pods, terminating, failure, now)

    def setup(self, watch: Watches) -> None:
        self.expectations = Expectations(self.clock)
        self.control = PodControl(self.client, self.events, self.expectations)
        self._owner_keys: Any = owner(self.kind)
        self.replica_sets = watch(self.kind, enqueue=self._changed, indexers={OWNER: by_controller})
        self.pods = watch(Pod, enqueue=self._pod_changed, indexers={OWNER: by_controller}, delay=_COALESCE)

    def _changed(self, old: ReplicaSet | None, new: ReplicaSet | None) -> Iterable[Key]:
        if new is None and old is not None:
            self.expectations.forget(key_of(old))
        return (key_of(new or old),)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> Iterable[Key]:
        keys = [*self._owner_keys(old, new)]
        for key in keys:
            self.expectations.observe(key, old, new)
        if keys:
            return keys
        return [] if new is None else self._could_adopt(new)

    def _could_adopt(self, pod: Pod) -> list[Key]:
        if controller_of(pod.metadata) is not None:
            return []
        candidates = self.replica_sets.in_namespace(pod.metadata.namespace)
        return [key_of(rs) for rs in candidates if matches(self.selector(rs), pod.metadata.labels)]

    async def reconcile(self, key: Key) -> None:
        replica_set = self.replica_sets.get(key)
        if replica_set is None:
            return
        acting = self.expectations.met(key)  # asked before the pods are read: later is safe, earlier is not
        owned = await claim(
            self.client, replica_set, self.selector(replica_set), self.pods, lambda pod: not is_finished(pod)
        )
        active = [pod for pod in owned if is_active(pod)]
        failure: Failure | None = None
        if acting and replica_set.metadata.deletionTimestamp is None:
            failure = await self._scale(key, replica_set, active)
        now = self.clock.now()
        terminating = sum(map(is_terminating, owned))
        status = self.status(replica_set, active, terminating, failure, now)
        await write_status(self.client, replica_set, status)
        wait = next_availability(active, replica_set.spec.minReadySeconds, now)
        if wait is not None:
            self.queue.add_after(key, wait)
        if failure is not None:
            raise failure.error

    async def _scale(self, key: Key, replica_set: ReplicaSet, pods: list[Pod]) -> Failure | None:
        missing = (1 if replica_set.spec.replicas is None else replica_set.spec.replicas) - len(pods)
        if missing > 0:
            return await self._create(key, replica_set, min(missing, _BURST))
        if missing < 0:
            return await self._delete(key, replica_set, pods, min(-missing, _BURST))
        return None

    async def _create(self, key: Key, replica_set: ReplicaSet, count: int) -> Failure | None:
        pod = pod_from_template(replica_set.spec.template, replica_set)
        self.expectations.expect(key, creations=count)
        error = await self.control.create(key, replica_set, [pod] * count)
        return None if error is None or namespace_is_ending(error) else Failure("FailedCreate", error)

    async def _delete(self, key: Key, replica_set: ReplicaSet, pods: list[Pod], count: int) -> Failure | None:
        doomed = least_missed(pods, count, self._related(replica_set), self.clock.now())
        self.expectations.expect(key, deletions=[pod.metadata.uid for pod in doomed])
        error = await self.control.delete(key, replica_set, doomed)
        return None if error is None else Failure("FailedDelete", error)

    def _related(self, replica_set: ReplicaSet) -> list[Pod]:
        """The pods of all ReplicaSets with the same controller."""
        reference = controller_of(replica_set.metadata)
        family = self.replica_sets.by_index(OWNER, reference.uid) if reference else [replica_set]
        return [pod for member in family for pod in self.pods.by_index(OWNER, member.metadata.uid)]


class Failure:
    """Why scaling did not do all it should: `reason` for the condition, `error` for the next try."""

    def __init__(self, reason: str, error: Exception) -> None:
        self.reason, self.error = reason, error


def status_of(
    replica_set: ReplicaSet, pods: list[Pod], terminating: int, failure: Failure | None, now: datetime
) -> ReplicaSetStatus:
    """The status for these active pods."""
    spec = replica_set.spec
    template_labels = spec.template.metadata.labels.items()
    return ReplicaSetStatus(
        replicas=len(pods),
        fullyLabeledReplicas=sum(template_labels <= pod.metadata.labels.items() for pod in pods),
        readyReplicas=sum(map(is_ready, pods)),
        availableReplicas=sum(is_available(pod, spec.minReadySeconds, now) for pod in pods),
        terminatingReplicas=terminating,
        observedGeneration=replica_set.metadata.generation,
        conditions=_conditions(replica_set, failure, now),
    )


def _conditions(replica_set: ReplicaSet, failure: Failure | None, now: datetime) -> list[ReplicaSetCondition]:
    others = [c for c in replica_set.status.conditions if c.type != "ReplicaFailure"]
    if failure is None:
        return others
    known = next((c for c in replica_set.status.conditions if c.type == "ReplicaFailure"), None)
    if known is not None and known.reason == failure.reason:
        return replica_set.status.conditions
    failed = ReplicaSetCondition(
        type="ReplicaFailure",
        status="True",
        reason=failure.reason,
        message=str(failure.error),
        lastTransitionTime=now.replace(microsecond=0),
    )
    return [*others, failed]
