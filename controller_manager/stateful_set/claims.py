"""The volume claims of a StatefulSet's pods: made before their pod, owned as the retention policy says.

https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#persistentvolumeclaim-retention

Who owns a claim decides when the garbage collector deletes it: a pod that is scaled away takes along the claims that
it owns, the StatefulSet those that it owns.
"""

from __future__ import annotations

from api.apps_v1 import StatefulSet
from api.core_v1 import PersistentVolumeClaim, Pod
from api.errors import AlreadyExists, StatusError
from api.meta_v1 import OwnerReference
from client.events import EventRecorder
from client.rest import RestClient
from client.store import Store, key_of
from controller_manager.pod_control import namespace_is_ending
from controller_manager.pod_template import controller_reference
from controller_manager.stateful_set.identity import claims_of, ordinal_of, ordinals

_DELETE = "Delete"


class ClaimNotReady(Exception):
    """A claim cannot be used or made now; the message says which and why."""


class Claims:
    """Reads the claims from `store` and writes them with `client`."""

    def __init__(self, client: RestClient, events: EventRecorder, store: Store[PersistentVolumeClaim]) -> None:
        self._client, self._events, self._store = client, events, store

    async def ensure(self, stateful_set: StatefulSet, pod: Pod) -> None:
        """Make those that are missing.  Raises ClaimNotReady, after having tried all, and Forbidden for all alike when
        the namespace is ending."""
        problems = []
        for claim in claims_of(stateful_set, ordinal_of(pod)).values():
            known = self._store.get(key_of(claim))
            if known is None:
                problems += await self._create(stateful_set, pod, claim)
            elif known.metadata.deletionTimestamp is not None:
                problems.append(f"pvc {claim.metadata.name} is being deleted")
        if problems:
            raise ClaimNotReady(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")

    async def _create(self, stateful_set: StatefulSet, pod: Pod, claim: PersistentVolumeClaim) -> list[str]:
        name, of = claim.metadata.name, f"Pod {pod.metadata.name} in StatefulSet {stateful_set.metadata.name}"
        claim.metadata.ownerReferences = owners(claim, stateful_set, pod)
        try:
            await self._client.create(claim)
        except AlreadyExists:
            return []  # our copy is old
        except StatusError as error:
            if namespace_is_ending(error):
                raise
            message = f"create Claim {name} for {of} failed error: {error}"
            self._events.event(stateful_set, "Warning", "FailedCreate", message)
            return [f"failed to create PVC {name}: {error}"]
        self._events.event(stateful_set, "Normal", "SuccessfulCreate", f"create Claim {name} {of} success")
        return []

    async def settle_owners(self, stateful_set: StatefulSet, pod: Pod) -> None:
        """Bring the owners of the pod's claims in line with the retention policy.  Raises Conflict."""
        for claim in self._known(stateful_set, pod):
            if conflicting(claim, stateful_set, pod):
                message = (
                    f"PersistentVolumeClaim {claim.metadata.name} has a conflicting OwnerReference that acts as a "
                    "manging controller, the retention policy is ignored for this claim"
                )
                self._events.event(stateful_set, "Warning", "ConflictingController", message)
            wanted = owners(claim, stateful_set, pod)
            if _essence(wanted) != _essence(claim.metadata.ownerReferences):
                changed = claim.copy_deep()
                changed.metadata.ownerReferences = wanted
                await self._client.update(changed)

    def are_stale(self, stateful_set: StatefulSet, pod: Pod) -> bool:
        """Whether a claim still belongs to a former pod of this name, with which it will go."""
        if not deletes_when_scaled(stateful_set):
            return False
        return any(_former(claim, pod) for claim in self._known(stateful_set, pod))

    def _known(self, stateful_set: StatefulSet, pod: Pod) -> list[PersistentVolumeClaim]:
        wanted = claims_of(stateful_set, ordinal_of(pod)).values()
        return [known for claim in wanted if (known := self._store.get(key_of(claim))) is not None]


def deletes_when_scaled(stateful_set: StatefulSet) -> bool:
    policy = stateful_set.spec.persistentVolumeClaimRetentionPolicy
    return policy is not None and policy.whenScaled == _DELETE


def deletes_when_deleted(stateful_set: StatefulSet) -> bool:
    policy = stateful_set.spec.persistentVolumeClaimRetentionPolicy
    return policy is not None and policy.whenDeleted == _DELETE


def owners(claim: PersistentVolumeClaim, stateful_set: StatefulSet, pod: Pod) -> list[OwnerReference]:
    """The owner references that the claim of this pod should have."""
    references = claim.metadata.ownerReferences
    if _former(claim, stateful_set) or _former(claim, pod):
        return references  # of an earlier object by our name: it is being cleaned up, or was orphaned on purpose
    others = [r for r in references if not (_names(r, stateful_set) or _names(r, pod))]
    if conflicting(claim, stateful_set, pod):
        return others
    if deletes_when_scaled(stateful_set) and ordinal_of(pod) not in ordinals(stateful_set):
        return [*others, controller_reference(pod)]
    if deletes_when_deleted(stateful_set):
        return [*others, controller_reference(stateful_set)]
    return others


def conflicting(claim: PersistentVolumeClaim, stateful_set: StatefulSet, pod: Pod) -> bool:
    """Somebody else manages a claim that the retention policy would give an owner."""
    if not (deletes_when_scaled(stateful_set) or deletes_when_deleted(stateful_set)):
        return False
    return any(
        reference.controller and not (_names(reference, stateful_set) or _names(reference, pod))
        for reference in claim.metadata.ownerReferences
    )


def _names(reference: OwnerReference, owner: StatefulSet | Pod) -> bool:
    ours = controller_reference(owner)
    return (reference.apiVersion, reference.kind, reference.name) == (ours.apiVersion, ours.kind, ours.name)


def _former(claim: PersistentVolumeClaim, owner: StatefulSet | Pod) -> bool:
    return any(_names(r, owner) and r.uid != owner.metadata.uid for r in claim.metadata.ownerReferences)


def _essence(references: list[OwnerReference]) -> set[tuple[str, bool]]:
    return {(reference.uid, bool(reference.controller)) for reference in references}
