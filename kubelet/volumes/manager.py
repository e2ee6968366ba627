"""Sets up the volumes of pods, keeps their contents current and takes them down.

Every volume has its folder `<root>/pods/<uid>/volumes/kubernetes.io~<kind>/<name>`.
"""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from pathlib import Path

from api.core_v1 import PersistentVolume, Pod, Volume
from api.errors import StatusError
from kubelet.volumes import atomic_writer
from kubelet.volumes.config_map import ConfigMapVolume
from kubelet.volumes.downward_api import DownwardAPIVolume
from kubelet.volumes.empty_dir import EmptyDirVolume
from kubelet.volumes.host_path import HostPathVolume
from kubelet.volumes.ownership import give_to_group, group_of
from kubelet.volumes.persistent import ClaimedVolumes, claim_name
from kubelet.volumes.plugin import DirectoryPlugin, Payload, PayloadPlugin, VolumeContext, VolumeError
from kubelet.volumes.projected import ProjectedVolume
from kubelet.volumes.secret import SecretVolume

_PAYLOADS: dict[str, tuple[str, PayloadPlugin]] = {
    "configMap": ("configmap", ConfigMapVolume()),
    "secret": ("secret", SecretVolume()),
    "projected": ("projected", ProjectedVolume()),
    "downwardAPI": ("downward-api", DownwardAPIVolume()),
}
_DIRECTORIES: dict[str, tuple[str, DirectoryPlugin]] = {
    "emptyDir": ("empty-dir", EmptyDirVolume()),
    "hostPath": ("host-path", HostPathVolume()),
}
READ_ONLY_KINDS = frozenset(_PAYLOADS)


def kind_of(volume: Volume) -> str:
    """The name of the field that says what kind of volume it is, "" when none does (it is an emptyDir then)."""
    return next((name for name in type(volume).model_fields if name != "name" and getattr(volume, name)), "")


class VolumeManager:
    """Volumes by pod uid."""

    def __init__(self, root: Path, context: VolumeContext, claimed: ClaimedVolumes) -> None:
        self._root = root
        self._context = context
        self._claimed = claimed
        self._places: dict[str, dict[str, Path]] = {}
        """Where claimed volumes are: a claim that has been bound stays so, and a pod that runs keeps what it has."""
        self._renewals: dict[str, dict[str, datetime]] = {}

    def pod_directory(self, uid: str) -> Path:
        return self._root / "pods" / uid

    async def set_up(self, pod: Pod) -> dict[str, Path]:
        """Make all volumes usable and say where each is; writes contents anew where they changed.

        Raises VolumeError, worded for the FailedMount event.
        """
        results = await asyncio.gather(*(self._one(pod, volume) for volume in pod.spec.volumes), return_exceptions=True)
        for error in results:
            if isinstance(error, BaseException):
                raise error
        return {volume.name: path for volume, path in zip(pod.spec.volumes, results, strict=True) if path}  # type: ignore[misc]

    def renew_at(self, uid: str) -> datetime | None:
        """When contents have to be written anew although nothing in the API changes."""
        return min(self._renewals.get(uid, {}).values(), default=None)

    def tear_down(self, uid: str) -> None:
        """Undo mounts; the folders go with the pod's."""
        self._renewals.pop(uid, None)
        self._places.pop(uid, None)
        for kind, plugin in _DIRECTORIES.values():
            base = self.pod_directory(uid) / "volumes" / f"kubernetes.io~{kind}"
            for directory in base.iterdir() if base.is_dir() else ():
                plugin.tear_down(directory)

    async def _one(self, pod: Pod, volume: Volume) -> Path:
        kind = kind_of(volume) or "emptyDir"
        if claim_name(pod, volume):
            return await self._persistent(pod, volume)
        try:
            if kind in _PAYLOADS:
                return await self._payload(pod, volume, *_PAYLOADS[kind])
            if kind in _DIRECTORIES:
                folder, plugin = _DIRECTORIES[kind]
                if volume.emptyDir is None and kind == "emptyDir":
                    volume = volume.model_copy(update={"emptyDir": _empty_dir()})
                path = plugin.set_up(pod, volume, self._directory(pod, volume, folder))
                if kind == "emptyDir":
                    _give_to_group(path, pod)
                return path
            raise VolumeError(f"volumes of the kind {kind} are not supported by this kubelet")
        except (VolumeError, OSError, ValueError) as error:
            raise VolumeError(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}') from error
        except StatusError as error:
            raise VolumeError(f'MountVolume.SetUp failed for volume "{volume.name}" : {error.message}') from error

    async def _persistent(self, pod: Pod, volume: Volume) -> Path:
        places = self._places.setdefault(pod.metadata.uid, {})
        if volume.name not in places:
            found = await self._claimed.of(pod, volume)
            try:
                places[volume.name] = await asyncio.to_thread(_place, pod, found)  # large volumes take long
            except (VolumeError, OSError) as error:
                message = f'MountVolume.SetUp failed for volume "{found.metadata.name}" : {error}'
                raise VolumeError(message) from error
        return places[volume.name]

    def _directory(self, pod: Pod, volume: Volume, folder: str) -> Path:
        return self.pod_directory(pod.metadata.uid) / "volumes" / f"kubernetes.io~{folder}" / volume.name

    async def _payload(self, pod: Pod, volume: Volume, folder: str, plugin: PayloadPlugin) -> Path:
        payload: Payload = await plugin.payload(pod, volume, self._context)
        directory = self._directory(pod, volume, folder)
        directory.mkdir(parents=True, exist_ok=True)
        atomic_writer.write(directory, payload.files, group_of(pod))
        uid = pod.metadata.uid
        if payload.renew_at is not None:
            self._renewals.setdefault(uid, {})[volume.name] = payload.renew_at
        return directory


def _empty_dir() -> object:
    from api.core_v1 import EmptyDirVolumeSource

    return EmptyDirVolumeSource()


def _place(pod: Pod, volume: PersistentVolume) -> Path:
    """Where a persistent volume of this node is.  Raises VolumeError, OSError."""
    spec = volume.spec
    if spec.hostPath is not None:
        return HostPathVolume().set_up(pod, Volume(name=volume.metadata.name, hostPath=spec.hostPath), Path())
    if spec.local is not None:
        path = Path(spec.local.path)
        if not path.exists():
            raise VolumeError(f'path "{path}" does not exist')
        give_to_group(path, pod)
        return path
    raise VolumeError("only hostPath and local volumes are supported by this kubelet")


def _give_to_group(path: Path, pod: Pod) -> None:
    group = group_of(pod)
    if group is not None:
        os.chown(path, -1, group)
        path.chmod(0o2777)
