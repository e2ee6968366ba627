"""Several sources in one folder: https://kubernetes.io/docs/concepts/storage/projected-volumes/."""

from __future__ import annotations

from datetime import datetime

from api.core_v1 import Pod, Volume, VolumeProjection
from api.errors import StatusError
from kubelet.volumes.config_map import config_map_files
from kubelet.volumes.downward_api import downward_files
from kubelet.volumes.keys import DEFAULT_MODE
from kubelet.volumes.plugin import Payload, PayloadFile, VolumeContext, VolumeError
from kubelet.volumes.secret import secret_files
from kubelet.volumes.service_account_token import token_file


class ProjectedVolume:
    async def payload(self, pod: Pod, volume: Volume, context: VolumeContext) -> Payload:
        source = volume.projected
        assert source is not None
        mode = DEFAULT_MODE if source.defaultMode is None else source.defaultMode
        files: dict[str, PayloadFile] = {}
        renewals: list[datetime] = []
        for projection in source.sources:
            files.update(await self._files(pod, projection, mode, context, renewals))
        return Payload(files, min(renewals, default=None))

    async def _files(
        self, pod: Pod, projection: VolumeProjection, mode: int, context: VolumeContext, renewals: list[datetime]
    ) -> dict[str, PayloadFile]:
        if projection.configMap is not None:
            config_map = projection.configMap
            return await config_map_files(context, pod, config_map.name, config_map.items, mode, config_map.optional)
        if projection.secret is not None:
            secret = projection.secret
            return await secret_files(context, pod, secret.name, secret.items, mode, secret.optional)
        if projection.downwardAPI is not None:
            return downward_files(context, pod, projection.downwardAPI.items, mode)
        if projection.serviceAccountToken is not None:
            try:
                path, file, renew_at = await token_file(context, pod, projection.serviceAccountToken, mode)
            except StatusError as error:
                raise VolumeError(f"failed to fetch token: {error.message}") from error
            renewals.append(renew_at)
            return {path: file}
        raise VolumeError("a source of the projected volume is not supported by this kubelet")
