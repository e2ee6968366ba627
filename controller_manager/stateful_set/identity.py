"""Who a StatefulSet's pods are: their ordinals, names, labels and volumes.  Pure functions.

https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#pod-identity
"""

from __future__ import annotations

import re

from api.apps_v1 import StatefulSet
from api.core_v1 import PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, PodTemplateSpec, Volume
from controller_manager.pod_template import pod_from_template
from controller_manager.revision_history import REVISION_LABEL

NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"
_NAME = re.compile(r"(.*)-([0-9]+)")


def parent_and_ordinal(name: str) -> tuple[str, int]:
    """What a pod's name says of it; ("", -1) when it is no name of a StatefulSet's pod."""
    found = _NAME.fullmatch(name)
    return (found[1], int(found[2])) if found else ("", -1)


def is_member(stateful_set: StatefulSet, pod: Pod) -> bool:
    """Whether the pod has a name that the StatefulSet would give."""
    return parent_and_ordinal(pod.metadata.name)[0] == stateful_set.metadata.name


def ordinal_of(pod: Pod) -> int:
    return parent_and_ordinal(pod.metadata.name)[1]


def ordinals(stateful_set: StatefulSet) -> range:
    """The numbers of the pods that are wanted."""
    spec = stateful_set.spec
    start = spec.ordinals.start if spec.ordinals is not None else 0
    return range(start, start + (1 if spec.replicas is None else spec.replicas))


def new_pod(stateful_set: StatefulSet, ordinal: int, template: PodTemplateSpec, revision: str) -> Pod:
    """The pod to create for an ordinal, from the template of that revision."""
    name = f"{stateful_set.metadata.name}-{ordinal}"
    pod = pod_from_template(template, stateful_set, name)
    pod.metadata.labels |= _identity_labels(name, ordinal) | {REVISION_LABEL: revision}
    pod.spec.hostname, pod.spec.subdomain = name, stateful_set.spec.serviceName
    pod.spec.volumes = volumes(stateful_set, pod)
    return pod


def claims_of(stateful_set: StatefulSet, ordinal: int) -> dict[str, PersistentVolumeClaim]:
    """The claims of an ordinal's pod, as they are created, by the name of the volume."""
    meta, selector = stateful_set.metadata, stateful_set.spec.selector
    result = {}
    for template in stateful_set.spec.volumeClaimTemplates:
        claim = template.copy_deep()
        claim.metadata.name = f"{template.metadata.name}-{meta.name}-{ordinal}"
        claim.metadata.namespace = meta.namespace
        claim.metadata.labels |= selector.matchLabels if selector is not None else {}
        result[template.metadata.name] = claim
    return result


def volumes(stateful_set: StatefulSet, pod: Pod) -> list[Volume]:
    """The pod's volumes with its claims mounted, which come before others of the same name."""
    claims = claims_of(stateful_set, ordinal_of(pod))
    mounted = [
        Volume(name=name, persistentVolumeClaim=PersistentVolumeClaimVolumeSource(claimName=claim.metadata.name))
        for name, claim in claims.items()
    ]
    return mounted + [volume for volume in pod.spec.volumes if volume.name not in claims]


def with_identity(stateful_set: StatefulSet, pod: Pod) -> Pod:
    """The same pod if it has its identity and its claims, else a copy that has."""
    name = pod.metadata.name
    mounted = {v.name: v.persistentVolumeClaim.claimName for v in pod.spec.volumes if v.persistentVolumeClaim}
    claims = claims_of(stateful_set, ordinal_of(pod))
    has_storage = all(mounted.get(volume) == claim.metadata.name for volume, claim in claims.items())
    if pod.metadata.labels.get(NAME_LABEL) == name and has_storage:
        return pod
    fixed = pod.copy_deep()
    fixed.metadata.labels |= _identity_labels(name, ordinal_of(pod))
    if not has_storage:
        fixed.spec.volumes = volumes(stateful_set, pod)
    return fixed


def _identity_labels(name: str, ordinal: int) -> dict[str, str]:
    return {NAME_LABEL: name, INDEX_LABEL: str(ordinal)}
