"""A pod's own fields as files: https://kubernetes.io/docs/concepts/storage/volumes/#downwardapi."""

from __future__ import annotations

from collections.abc import Sequence

from api.core_v1 import DownwardAPIVolumeFile, Pod, Volume
from kubelet.field_path import FieldPathError, field_value, resource_value
from kubelet.volumes.keys import DEFAULT_MODE
from kubelet.volumes.plugin import Payload, PayloadFile, VolumeContext, VolumeError


class DownwardAPIVolume:
    async def payload(self, pod: Pod, volume: Volume, context: VolumeContext) -> Payload:
        source = volume.downwardAPI
        assert source is not None
        mode = DEFAULT_MODE if source.defaultMode is None else source.defaultMode
        return Payload(downward_files(context, pod, source.items, mode))


def downward_files(
    context: VolumeContext, pod: Pod, items: Sequence[DownwardAPIVolumeFile], default_mode: int
) -> dict[str, PayloadFile]:
    """One file per item.  Raises VolumeError."""
    files = {}
    for item in items:
        try:
            if item.fieldRef is not None:
                text = field_value(pod, item.fieldRef.fieldPath, host_ips=context.host_ips)
            elif item.resourceFieldRef is not None:
                text = resource_value(pod, item.resourceFieldRef, context.allocatable)
            else:
                continue
        except FieldPathError as error:
            raise VolumeError(str(error)) from error
        mode = default_mode if item.mode is None else item.mode
        files[item.path.rstrip("/")] = PayloadFile(text.encode(), mode)
    return files
