"""Makes volumes that are directories of this machine, for clusters that live on one.

The provisioner is called kubernetes.io/host-path as in Kubernetes, and is there when the controller manager is told
--enable-hostpath-provisioner.  A volume is a hostPath, which the kubelet mounts as any other.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from api.core_v1 import HostPathVolumeSource, PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec
from api.meta_v1 import ObjectMeta

NAME = "kubernetes.io/host-path"
_MADE_BY = {"kubernetes.io/createdby": "hostpath-dynamic-provisioner"}


class StorageFailure(Exception):
    """Storage could not be made or removed; the message is for the event."""


@dataclass(frozen=True)
class HostPathPlugin:
    """Directories below `root`; `provisions` says whether classes may ask for them."""

    root: Path
    provisions: bool

    async def provision(self, name: str, claim: PersistentVolumeClaim) -> PersistentVolume:
        """Make the directory of a volume (again, if it is there) and describe it.  Raises StorageFailure."""
        if claim.spec.volumeMode == "Block":
            raise StorageFailure(f"{NAME} does not support block volume provisioning")
        if claim.spec.selector is not None:
            raise StorageFailure("claim Selector is not supported")
        path = self.root / name
        try:
            await asyncio.to_thread(_make, path)
        except OSError as error:
            raise StorageFailure(f"failed to create {path}: {error.strerror}") from error
        return PersistentVolume(
            metadata=ObjectMeta(name=name, annotations={**_MADE_BY}),
            spec=PersistentVolumeSpec(
                accessModes=[*claim.spec.accessModes],
                capacity={"storage": claim.spec.resources.requests["storage"]},
                hostPath=HostPathVolumeSource(path=str(path), type="DirectoryOrCreate"),
            ),
        )

    async def delete(self, volume: PersistentVolume) -> None:
        """Remove a volume's directory with all in it, if there is one.  Raises StorageFailure."""
        assert volume.spec.hostPath is not None
        path = Path(volume.spec.hostPath.path)
        if path.parent != self.root or path.name == "..":
            raise StorageFailure(f"host_path deleter only supports {self.root}/.+ but received provided {path}")
        try:
            await asyncio.to_thread(shutil.rmtree, path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageFailure(f"failed to remove {path}: {error.strerror}") from error


def _make(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o777)  # containers of any user share it: ownership is not changed for volumes of this kind
