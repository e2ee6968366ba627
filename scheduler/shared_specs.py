"""Pods of one template share one spec in memory: thousands of pods cost little more than their names.

The volume with the service account's token is left out, since it is named at random and decides nothing.
"""

from __future__ import annotations

from collections import OrderedDict

from api.core_v1 import Pod, PodSpec

_KEPT = 512
_TOKEN = "kube-api-access-"


class SharedSpecs:
    """Remembers the specs it met last."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, PodSpec] = OrderedDict()

    def share(self, pod: Pod) -> None:
        """Give the pod the spec of an earlier one that is the same except for the node; a shallow copy with its own
        node if it has one."""
        spec = pod.spec
        node, spec.nodeName = spec.nodeName, ""
        leave_out_token(spec)
        key = spec.encode()
        shared = self._known.get(key)
        if shared is None:
            shared = self._known[key] = spec
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        pod.spec = shared.model_copy(update={"nodeName": node}) if node else shared


def leave_out_token(spec: PodSpec) -> None:
    """Drop the volume that admission adds to every pod, and its mounts."""
    if not any(volume.name.startswith(_TOKEN) for volume in spec.volumes):
        return
    spec.volumes = [volume for volume in spec.volumes if not volume.name.startswith(_TOKEN)]
    for container in (*spec.containers, *spec.initContainers):
        container.volumeMounts = [mount for mount in container.volumeMounts if not mount.name.startswith(_TOKEN)]
