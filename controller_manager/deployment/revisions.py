"""The ReplicaSets of a Deployment as its history: revisions, annotations, new and old."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from api.apps_v1 import Deployment, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus
from api.meta_v1 import LabelSelector, ObjectMeta
from controller_manager.deployment.sizes import max_surge, new_size, wanted
from controller_manager.pod_template import HASH_LABEL, controller_reference, same_template, template_hash

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = {
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED,
    MAXIMUM,
    "deprecated.deployment.rollback.to",
}
_HISTORY_LENGTH = 2000


def by_age(replica_sets: Iterable[ReplicaSet]) -> list[ReplicaSet]:
    """Oldest first."""
    return sorted(replica_sets, key=lambda rs: (str(rs.metadata.creationTimestamp), rs.metadata.name))


def revision_of(replica_set: ReplicaSet) -> int:
    """The number in its annotation; 0 when there is none."""
    try:
        return int(replica_set.metadata.annotations.get(REVISION, "0"))
    except ValueError:
        return 0


def find_new(deployment: Deployment, replica_sets: Sequence[ReplicaSet]) -> ReplicaSet | None:
    """The ReplicaSet of the present template; the oldest if there are several."""
    return next((rs for rs in by_age(replica_sets) if same_template(rs.spec.template, deployment.spec.template)), None)


def old_ones(new: ReplicaSet | None, replica_sets: Sequence[ReplicaSet]) -> list[ReplicaSet]:
    return [rs for rs in replica_sets if new is None or rs.metadata.uid != new.metadata.uid]


def next_revision(old: Iterable[ReplicaSet]) -> int:
    return max(map(revision_of, old), default=0) + 1


def make_new(deployment: Deployment, replica_sets: Sequence[ReplicaSet]) -> ReplicaSet:
    """The ReplicaSet to create for the present template, sized as the strategy allows at once."""
    template = deployment.spec.template.copy_deep()
    mark = template_hash(deployment.spec.template, deployment.status.collisionCount)
    template.metadata.labels[HASH_LABEL] = mark
    selector = deployment.spec.selector.copy_deep() if deployment.spec.selector else LabelSelector()
    selector.matchLabels[HASH_LABEL] = mark
    made = ReplicaSet(
        metadata=ObjectMeta(
            name=f"{deployment.metadata.name}-{mark}",
            namespace=deployment.metadata.namespace,
            labels=dict(template.metadata.labels),
            ownerReferences=[controller_reference(deployment)],
        ),
        spec=ReplicaSetSpec(
            replicas=0, minReadySeconds=deployment.spec.minReadySeconds, selector=selector, template=template
        ),
        status=ReplicaSetStatus(replicas=0),
    )
    made.spec.replicas = new_size(deployment, [*replica_sets, made], made)
    made.metadata.annotations = annotations_for(deployment, made, next_revision(replica_sets), is_new=True)
    return made


def annotations_for(
    deployment: Deployment, replica_set: ReplicaSet, revision: int, *, is_new: bool = False
) -> dict[str, str]:
    """The annotations the newest ReplicaSet should have: the Deployment's own, its revision and earlier ones."""
    result = dict(replica_set.metadata.annotations)
    result |= {k: v for k, v in deployment.metadata.annotations.items() if k not in _NOT_COPIED}
    previous = revision_of(replica_set)
    if previous < revision:
        result[REVISION] = str(revision)
        if previous > 0:
            history = [part for part in result.get(REVISION_HISTORY, "").split(",") if part]
            history.append(str(previous))
            while len(",".join(history)) > _HISTORY_LENGTH:
                history.pop(0)
            result[REVISION_HISTORY] = ",".join(history)
    return result | size_annotations(deployment) if is_new else result


def size_annotations(deployment: Deployment) -> dict[str, str]:
    """What proportional scaling needs to know later: the sizes this ReplicaSet was made for."""
    return {DESIRED: str(wanted(deployment)), MAXIMUM: str(wanted(deployment) + max_surge(deployment))}


def to_clean_up(deployment: Deployment, old: Sequence[ReplicaSet]) -> list[ReplicaSet]:
    """Old ReplicaSets beyond spec.revisionHistoryLimit, oldest revision first.  Those with pods stay."""
    limit = deployment.spec.revisionHistoryLimit
    if limit is None or limit == 2**31 - 1:
        return []
    alive = [rs for rs in old if rs.metadata.deletionTimestamp is None]
    surplus = len(alive) - limit
    if surplus <= 0:
        return []
    return [
        rs
        for rs in sorted(alive, key=revision_of)[:surplus]
        if not rs.status.replicas and not rs.spec.replicas and rs.metadata.generation <= rs.status.observedGeneration
    ]
