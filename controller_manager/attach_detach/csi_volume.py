"""Volumes of CSI drivers: what they are called, and who may have them.  Pure functions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from api.core_v1 import Node, PersistentVolume, Pod
from controller_manager.pod_state import is_finished

MANAGED = "volumes.kubernetes.io/controller-managed-attach-detach"
"""On a node: its kubelet leaves attaching to this controller."""
KEEPS_TERMINATED = "volumes.kubernetes.io/keep-terminated-pod-volumes"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
PREFIX = "kubernetes.io/csi/"


@dataclass(slots=True)
class Wanted:
    """A volume that a node is to have, and the pods there that use it."""

    volume: PersistentVolume
    pods: list[Pod] = field(default_factory=list)


def unique_name(volume: PersistentVolume) -> str:
    """What node.status calls the volume."""
    assert volume.spec.csi is not None
    return f"{PREFIX}{volume.spec.csi.driver}^{volume.spec.csi.volumeHandle}"


def attachment_name(volume: PersistentVolume, node: str) -> str:
    """The name of the VolumeAttachment, the same whoever makes it and however often."""
    assert volume.spec.csi is not None
    text = f"{volume.spec.csi.volumeHandle}{volume.spec.csi.driver}{node}"
    return f"csi-{hashlib.sha256(text.encode()).hexdigest()}"


def may_be_on_many_nodes(volume: PersistentVolume) -> bool:
    """Volumes that do not say how they can be used are not kept from it."""
    modes = volume.spec.accessModes
    return not modes or any(mode in ("ReadWriteMany", "ReadOnlyMany") for mode in modes)


def uses_its_volumes(pod: Pod, node: Node | None) -> bool:
    """Whether a pod still counts: one whose containers have ended lets go, unless the node says otherwise."""
    keeps = node is not None and node.metadata.annotations.get(KEEPS_TERMINATED) == "true"
    return keeps or not is_finished(pod)


def is_managed(node: Node) -> bool:
    return node.metadata.annotations.get(MANAGED) == "true"


def is_out_of_service(node: Node) -> bool:
    """Somebody has said that the node is down for good: nothing there can write to a volume any more."""
    return any(taint.key == OUT_OF_SERVICE for taint in node.spec.taints)


def is_healthy(node: Node) -> bool:
    return any(condition.type == "Ready" and condition.status == "True" for condition in node.status.conditions)


def multi_attach_message(volume: PersistentVolume, pod: Pod, users: Sequence[Pod]) -> str:
    """Why a pod cannot have a volume that another node has, with as much of `users` there as the pod may know."""
    start = f'Multi-Attach error for volume "{volume.metadata.name}"'
    if not users:
        return f"{start} Volume is already exclusively attached to one node and can't be attached to another"
    near = [each.metadata.name for each in users if each.metadata.namespace == pod.metadata.namespace]
    far = f"{len(users) - len(near)} pod(s) in different namespaces"
    if not near:
        return f"{start} Volume is already used by {far}"
    others = f" and {far}" if len(near) < len(users) else ""
    return f"{start} Volume is already used by pod(s) {', '.join(near)}{others}"


def reported(before: Iterable[str], ours: Iterable[str]) -> list[str]:
    """Names for node.status.volumesAttached: other managers' as they were, then ours."""
    return [name for name in before if not name.startswith(PREFIX)] + sorted(ours)
