"""Pods of one template share one spec in memory also where its volume with the token has a random name.

The volume is left out, since it decides nothing.  See `client.pod_decoding` for the rest.
"""

from __future__ import annotations

from collections import OrderedDict

from api.core_v1 import PodSpec

_KEPT = 512
_TOKEN = "kube-api-access-"


class SharedSpecs:
    """Remembers the specs it met last."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, PodSpec] = OrderedDict()

    def share(self, spec: PodSpec) -> PodSpec:
        """An earlier spec that is the same but for the token, or else this one without it."""
        leave_out_token(spec)
        key = spec.encode()
        shared = self._known.get(key)
        if shared is None:
            shared = self._known[key] = spec
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return shared


def leave_out_token(spec: PodSpec) -> None:
    """Drop the volume that admission adds to every pod, and its mounts."""
    if not any(volume.name.startswith(_TOKEN) for volume in spec.volumes):
        return
    spec.volumes = [volume for volume in spec.volumes if not volume.name.startswith(_TOKEN)]
    for container in (*spec.containers, *spec.initContainers):
        container.volumeMounts = [mount for mount in container.volumeMounts if not mount.name.startswith(_TOKEN)]
