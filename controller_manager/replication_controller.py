"""Keeps as many pods running as a ReplicationController asks for: a ReplicaSet under its older name.

https://kubernetes.io/docs/concepts/workloads/controllers/replicationcontroller/
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from api.apps_v1 import ReplicaSet, ReplicaSetSpec, ReplicaSetStatus
from api.core_v1 import Pod, ReplicationController, ReplicationControllerStatus
from api.meta_v1 import LabelSelector
from controller_manager.replica_set import Failure, ReplicaSetController, status_of


class ReplicationControllerController(ReplicaSetController):
    name = "replicationcontroller-controller"
    kind = ReplicationController

    def selector(self, replica_set: Any) -> LabelSelector:
        return LabelSelector(matchLabels=replica_set.spec.selector)

    def status(
        self, replica_set: Any, pods: list[Pod], terminating: int, failure: Failure | None, now: datetime
    ) -> ReplicationControllerStatus:
        found = status_of(as_replica_set(replica_set), pods, terminating, failure, now)
        return ReplicationControllerStatus.from_dict(found.to_dict())


def as_replica_set(controller: ReplicationController) -> ReplicaSet:
    """The ReplicaSet that asks for the same."""
    spec = controller.spec
    return ReplicaSet(
        metadata=controller.metadata,
        spec=ReplicaSetSpec(
            replicas=spec.replicas,
            minReadySeconds=spec.minReadySeconds,
            selector=LabelSelector(matchLabels=spec.selector),
            **({"template": spec.template} if spec.template is not None else {}),
        ),
        status=ReplicaSetStatus.from_dict(controller.status.to_dict()),
    )
