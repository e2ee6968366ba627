"""The storage class of claims that name none, so that they get volumes without more ado.

https://kubernetes.io/docs/concepts/storage/storage-classes/#default-storageclass
"""

from __future__ import annotations

from pathlib import Path

from api.clock import Clock
from api.errors import AlreadyExists
from api.meta_v1 import ObjectMeta
from client.config import load_kubeconfig
from client.rest import RestClient

_PROVISIONER = "kubernetes.io/host-path"
_MOMENT = 1.0
"""Seconds that a cluster which has just started is left to its user."""


async def make_default_class(kubeconfig: Path, clock: Clock) -> None:
    """Give a cluster that has no storage class one of directories on this machine; what users made is left alone."""
    await clock.sleep(_MOMENT)
    from api.storage_v1 import StorageClass  # types are large, and this is not urgent

    standard = StorageClass(
        metadata=ObjectMeta(name="standard", annotations={"storageclass.kubernetes.io/is-default-class": "true"}),
        provisioner=_PROVISIONER,
        reclaimPolicy="Delete",
        volumeBindingMode="Immediate",
        allowVolumeExpansion=True,
    )
    async with RestClient(load_kubeconfig(kubeconfig), user_agent="nanokube/up") as client:
        if (await client.list(StorageClass, limit=1)).items:
            return
        try:
            await client.create(standard)
        except AlreadyExists:
            return
