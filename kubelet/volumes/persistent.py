"""Volumes that outlive pods: from a pod's claim to the place of the volume it is bound to.

https://kubernetes.io/docs/concepts/storage/persistent-volumes/#claims-as-volumes
"""

from __future__ import annotations

from api.clock import Clock
from api.core_v1 import PersistentVolume, PersistentVolumeClaim, Pod, Volume
from api.errors import StatusError
from client.backoff import Backoff
from client.rest import RestClient
from kubelet.volumes.plugin import VolumeError


def claim_name(pod: Pod, volume: Volume) -> str:
    """The claim behind a pod's volume, "" for volumes of other kinds."""
    if volume.persistentVolumeClaim is not None:
        return volume.persistentVolumeClaim.claimName
    return f"{pod.metadata.name}-{volume.name}" if volume.ephemeral is not None else ""


def is_read_only(volume: Volume) -> bool:
    """Whether the pod wants the claim for reading only, whatever its containers say."""
    return volume.persistentVolumeClaim is not None and volume.persistentVolumeClaim.readOnly


class _NotBound(VolumeError):
    """The claim may well have its volume soon."""


class ClaimedVolumes:
    """Asks the API, where a node may read the claims of its pods and the volumes these are bound to, by name only: it
    cannot watch them, and asks again until `patience` (seconds) is at its end."""

    def __init__(self, client: RestClient, clock: Clock, patience: float = 1.5) -> None:
        self._client, self._clock, self._patience = client, clock, patience

    async def of(self, pod: Pod, volume: Volume) -> PersistentVolume:
        """The volume that answers a pod's claim.  Raises VolumeError, worded for the FailedMount event."""
        try:
            return await self._find_soon(pod, volume)
        except (VolumeError, StatusError) as error:
            name = f"[{volume.name}]"
            reason = error.message if isinstance(error, StatusError) else str(error)
            claim = f"{pod.metadata.namespace}/{claim_name(pod, volume)}"
            raise VolumeError(
                f"Unable to attach or mount volumes: unmounted volumes={name}, unattached volumes=[], "
                f"failed to process volumes={name}: error processing PVC {claim}: {reason}"
            ) from error

    async def _find_soon(self, pod: Pod, volume: Volume) -> PersistentVolume:
        """A claim is bound a moment after it was made, and a pod may be quicker."""
        backoff, deadline = Backoff(initial=0.05, factor=2, cap=1.0), self._clock.monotonic() + self._patience
        while True:
            try:
                return await self._find(pod, volume)
            except _NotBound:
                if self._clock.monotonic() >= deadline:
                    raise
                await self._clock.sleep(backoff.next())

    async def _find(self, pod: Pod, volume: Volume) -> PersistentVolume:
        namespace, name = pod.metadata.namespace, claim_name(pod, volume)
        try:
            claim = await self._client.get(PersistentVolumeClaim, name, namespace)
        except StatusError as error:
            raise _NotBound(f"failed to fetch PVC from API server: {error.message}") from error
        if claim.metadata.deletionTimestamp is not None:
            raise VolumeError("PVC is being deleted")
        if volume.ephemeral is not None and not _owns(pod, claim):
            pod_name = f"{namespace}/{pod.metadata.name}"
            raise VolumeError(f"PVC {namespace}/{name} was not created for pod {pod_name} (pod is not owner)")
        if claim.status.phase != "Bound" or not claim.spec.volumeName:
            raise _NotBound("PVC is not bound")
        found = await self._client.get(PersistentVolume, claim.spec.volumeName)
        reference, what = found.spec.claimRef, f"found PV object {found.metadata.name} but"
        if reference is None:
            raise VolumeError(f"{what} it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim")
        if reference.uid != claim.metadata.uid:
            own = claim.metadata.uid
            raise VolumeError(f"{what} its pv.Spec.ClaimRef.UID {reference.uid} does not point to claim.UID {own}")
        if found.spec.volumeMode == "Block":
            raise VolumeError("volumes of the mode Block are not supported by this kubelet")
        return found


def _owns(pod: Pod, claim: PersistentVolumeClaim) -> bool:
    return any(owner.controller and owner.uid == pod.metadata.uid for owner in claim.metadata.ownerReferences)
