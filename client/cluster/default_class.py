"""The storage class of claims that name none, so that they get volumes without more ado.

https://kubernetes.io/docs/concepts/storage/storage-classes/#default-storageclass
"""

from __future__ import annotations

import sys
from pathlib import Path

from api.clock import Clock
from api.errors import StatusError
from api.meta_v1 import ObjectMeta
from client.config import load_kubeconfig
from client.rest import RestClient, Unreachable

_PROVISIONER = "kubernetes.io/host-path"
_MOMENT = 1.0
"""Seconds that a cluster which has just started is left to its user."""


async def make_default_class(kubeconfig: Path, clock: Clock) -> None:
    """Give a cluster that has no storage class one of directories on this machine; what users made is left alone.

    A cluster that ends meanwhile gets it at its next start.
    """
    await clock.sleep(_MOMENT)
    try:
        async with RestClient(load_kubeconfig(kubeconfig), user_agent="nanokube/up") as client:
            await _make(client)
    except (StatusError, Unreachable) as error:
        print(f"no default storage class: {error}", file=sys.stderr)


async def _make(client: RestClient) -> None:
    from api.storage_v1 import StorageClass  # types are large, and this is not urgent

    standard = StorageClass(
        metadata=ObjectMeta(name="standard", annotations={"storageclass.kubernetes.io/is-default-class": "true"}),
        provisioner=_PROVISIONER,
        reclaimPolicy="Delete",
        volumeBindingMode="Immediate",
        allowVolumeExpansion=True,
    )
    if not (await client.list(StorageClass, limit=1)).items:
        await client.create(standard)
