"""A Deployment's status and conditions.  Pure functions.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from api.apps_v1 import Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet
from controller_manager.deployment.sizes import available, max_unavailable, total, wanted

AVAILABLE, PROGRESSING, FAILURE = "Available", "Progressing", "ReplicaFailure"
CREATED, FOUND, CREATE_FAILED = "NewReplicaSetCreated", "FoundNewReplicaSet", "ReplicaSetCreateError"
UPDATED, COMPLETE, TIMED_OUT = "ReplicaSetUpdated", "NewReplicaSetAvailable", "ProgressDeadlineExceeded"
PAUSED, RESUMED = "DeploymentPaused", "DeploymentResumed"

Conditions = list[DeploymentCondition]


def find(conditions: Conditions, type: str) -> DeploymentCondition | None:
    return next((c for c in conditions if c.type == type), None)


def without(conditions: Conditions, type: str) -> Conditions:
    return [c for c in conditions if c.type != type]


def with_condition(
    conditions: Conditions, type: str, status: str, reason: str, message: str, now: datetime
) -> Conditions:
    """The conditions with one set.  Nothing changes when status and reason are the same; the time of transition
    only when the status changes."""
    known = find(conditions, type)
    if known is not None and (known.status, known.reason) == (status, reason):
        return conditions
    now = now.replace(microsecond=0)
    since = known.lastTransitionTime if known is not None and known.status == status else now
    new = DeploymentCondition(
        type=type, status=status, reason=reason, message=message, lastUpdateTime=now, lastTransitionTime=since
    )
    return [*without(conditions, type), new]


def has_deadline(deployment: Deployment) -> bool:
    return deployment.spec.progressDeadlineSeconds not in (None, 2**31 - 1)


def counted(
    deployment: Deployment, replica_sets: Sequence[ReplicaSet], new: ReplicaSet | None, now: datetime
) -> DeploymentStatus:
    """Numbers from the ReplicaSets' own status, and the Available condition."""
    working = available(replica_sets)
    terminating = [rs.status.terminatingReplicas for rs in replica_sets]
    if working >= wanted(deployment) - max_unavailable(deployment):
        conditions = with_condition(
            deployment.status.conditions,
            AVAILABLE,
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
            now,
        )
    else:
        conditions = with_condition(
            deployment.status.conditions,
            AVAILABLE,
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
            now,
        )
    return DeploymentStatus(
        observedGeneration=deployment.metadata.generation,
        replicas=sum(rs.status.replicas for rs in replica_sets),
        updatedReplicas=new.status.replicas if new is not None else 0,
        readyReplicas=sum(rs.status.readyReplicas for rs in replica_sets),
        availableReplicas=working,
        unavailableReplicas=max(0, total(replica_sets) - working),
        terminatingReplicas=None if None in terminating else sum(count or 0 for count in terminating),
        collisionCount=deployment.status.collisionCount,
        conditions=conditions,
    )


def is_complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    """Every wanted pod is of the present template and available, and no other is left."""
    return (
        status.updatedReplicas == status.replicas == status.availableReplicas == wanted(deployment)
        and status.observedGeneration >= deployment.metadata.generation
    )


def is_progressing(deployment: Deployment, status: DeploymentStatus) -> bool:
    """More new, fewer old, more ready or more available pods than `deployment.status` says."""
    old = deployment.status
    return (
        status.updatedReplicas > old.updatedReplicas
        or status.replicas - status.updatedReplicas < old.replicas - old.updatedReplicas
        or status.readyReplicas > old.readyReplicas
        or status.availableReplicas > old.availableReplicas
    )


def deadline_passed(deployment: Deployment, status: DeploymentStatus, now: datetime) -> bool:
    """Nothing has moved for spec.progressDeadlineSeconds."""
    condition = find(status.conditions, PROGRESSING)
    if not has_deadline(deployment) or condition is None or condition.reason == COMPLETE:
        return False
    if condition.reason == TIMED_OUT:
        return True
    return condition.lastUpdateTime is not None and deadline_of(deployment, condition) < now


def deadline_of(deployment: Deployment, condition: DeploymentCondition) -> datetime:
    moved = condition.lastUpdateTime
    assert moved is not None
    return moved + timedelta(seconds=deployment.spec.progressDeadlineSeconds or 0)


def rollout_status(
    deployment: Deployment, replica_sets: Sequence[ReplicaSet], new: ReplicaSet | None, now: datetime
) -> DeploymentStatus:
    """The whole status during and after an update."""
    status = counted(deployment, replica_sets, new, now)
    known = find(status.conditions, PROGRESSING)
    if not has_deadline(deployment):
        status.conditions = without(status.conditions, PROGRESSING)
    elif not (status.replicas == status.updatedReplicas and known is not None and known.reason == COMPLETE):
        about = f'ReplicaSet "{new.metadata.name}"' if new else f'Deployment "{deployment.metadata.name}"'
        if is_complete(deployment, status):
            message = f"{about} has successfully progressed."
            status.conditions = with_condition(status.conditions, PROGRESSING, "True", COMPLETE, message, now)
        elif is_progressing(deployment, status):
            status.conditions = _moved(status.conditions, f"{about} is progressing.", now)
        elif deadline_passed(deployment, status, now):
            message = f"{about} has timed out progressing."
            status.conditions = with_condition(status.conditions, PROGRESSING, "False", TIMED_OUT, message, now)
    status.conditions = _failures(status.conditions, replica_sets, new, now)
    return status


def _moved(conditions: Conditions, message: str, now: datetime) -> Conditions:
    """Progress restarts the deadline even where the condition says the same as before."""
    known, now = find(conditions, PROGRESSING), now.replace(microsecond=0)
    since = known.lastTransitionTime if known is not None and known.status == "True" else now
    new = DeploymentCondition(
        type=PROGRESSING, status="True", reason=UPDATED, message=message, lastUpdateTime=now, lastTransitionTime=since
    )
    return [*without(conditions, PROGRESSING), new]


def _failures(
    conditions: Conditions, replica_sets: Sequence[ReplicaSet], new: ReplicaSet | None, now: datetime
) -> Conditions:
    """The ReplicaFailure condition of the newest ReplicaSet that has one."""
    for rs in [*([new] if new else []), *replica_sets]:
        failure = next((c for c in rs.status.conditions if c.type == FAILURE), None)
        if failure is not None:
            return with_condition(conditions, FAILURE, failure.status, failure.reason, failure.message, now)
    return without(conditions, FAILURE)


def seconds_to_deadline(deployment: Deployment, status: DeploymentStatus, now: datetime) -> float | None:
    """When to look again whether the update is stuck; None when there is nothing to wait for."""
    condition = find(status.conditions, PROGRESSING)
    if not has_deadline(deployment) or condition is None or condition.lastUpdateTime is None:
        return None
    if is_complete(deployment, status) or condition.reason == TIMED_OUT or deployment.spec.paused:
        return None
    return max(0.0, (deadline_of(deployment, condition) - now).total_seconds()) + 1
