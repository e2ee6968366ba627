"""A Secret as files: https://kubernetes.io/docs/concepts/storage/volumes/#secret."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from api.core_v1 import KeyToPath, Pod, Volume
from api.errors import NotFound
from kubelet.volumes.keys import DEFAULT_MODE, files_of
from kubelet.volumes.plugin import Payload, PayloadFile, VolumeContext, VolumeError


class SecretVolume:
    async def payload(self, pod: Pod, volume: Volume, context: VolumeContext) -> Payload:
        source = volume.secret
        assert source is not None
        mode = DEFAULT_MODE if source.defaultMode is None else source.defaultMode
        return Payload(await secret_files(context, pod, source.secretName, source.items, mode, source.optional))


async def secret_files(
    context: VolumeContext, pod: Pod, name: str, items: Sequence[KeyToPath], mode: int, optional: bool | None
) -> dict[str, PayloadFile]:
    """The files of a Secret; none when it is optional and missing.  Raises VolumeError."""
    try:
        found = await context.configuration.secret(pod.metadata.namespace, name)
    except NotFound as error:
        if optional:
            return {}
        raise VolumeError(error.message) from error
    data = {key: base64.b64decode(value) for key, value in found.data.items()}
    return files_of(data, items, mode, bool(optional))
