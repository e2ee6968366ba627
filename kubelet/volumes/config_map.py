"""A ConfigMap as files: https://kubernetes.io/docs/concepts/storage/volumes/#configmap."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from api.core_v1 import ConfigMap, KeyToPath, Pod, Volume
from api.errors import NotFound
from kubelet.volumes.keys import DEFAULT_MODE, files_of
from kubelet.volumes.plugin import Payload, PayloadFile, VolumeContext, VolumeError


class ConfigMapVolume:
    async def payload(self, pod: Pod, volume: Volume, context: VolumeContext) -> Payload:
        source = volume.configMap
        assert source is not None
        mode = DEFAULT_MODE if source.defaultMode is None else source.defaultMode
        return Payload(await config_map_files(context, pod, source.name or "", source.items, mode, source.optional))


async def config_map_files(
    context: VolumeContext, pod: Pod, name: str, items: Sequence[KeyToPath], mode: int, optional: bool | None
) -> dict[str, PayloadFile]:
    """The files of a ConfigMap; none when it is optional and missing.  Raises VolumeError."""
    try:
        found = await context.configuration.config_map(pod.metadata.namespace, name)
    except NotFound as error:
        if optional:
            return {}
        raise VolumeError(error.message) from error
    return files_of(content(found), items, mode, bool(optional))


def content(config_map: ConfigMap) -> dict[str, bytes]:
    data = {key: value.encode() for key, value in config_map.data.items()}
    return data | {key: base64.b64decode(value) for key, value in config_map.binaryData.items()}
