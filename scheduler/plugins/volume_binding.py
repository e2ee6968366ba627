"""VolumeBinding: a pod runs where its volumes are, or can be made
(https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode).

Claims whose class waits for the first consumer get their volume together with the pod's node: a free volume that
the node reaches is bound, otherwise the provisioner is told the node through the claim's annotation.  The pod is
bound when the persistent volume controller has completed its part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from api.core_v1 import ObjectReference, Pod
from scheduler.cluster_event import NODE, Change, ClusterEvent
from scheduler.framework import SKIP, Code, CycleState, Status, unresolvable
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo, claim_name
from scheduler.storage import (
    BOUND_BY_CONTROLLER,
    SELECTED_NODE,
    Storage,
    class_of,
    is_delayed,
    is_fully_bound,
)
from scheduler.volume_matching import Volume, allows, candidates, compiled, first_reaching, has_room, requested

if TYPE_CHECKING:
    from api.core_v1 import PersistentVolume, PersistentVolumeClaim

_NODE_CONFLICT = "node(s) didn't match PersistentVolume's node affinity"
_BIND_CONFLICT = "node(s) didn't find available persistent volumes to bind"
_NO_SPACE = "node(s) did not have enough free storage"
_NO_VOLUME = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
_UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
_NO_PROVISIONER = "kubernetes.io/no-provisioner"

BIND_SECONDS = 600.0


class ClaimWriter(Protocol):
    """Raises StatusError; Conflict when the object has changed since it was read."""

    async def update_volume(self, volume: PersistentVolume) -> PersistentVolume: ...

    async def update_claim(self, claim: PersistentVolumeClaim) -> PersistentVolumeClaim: ...


@dataclass(slots=True)
class Plan:
    """What is to happen if the pod goes to a node."""

    bind: list[tuple[PersistentVolumeClaim, PersistentVolume]] = field(default_factory=list)
    provision: list[PersistentVolumeClaim] = field(default_factory=list)


@dataclass(slots=True)
class PodVolumes:
    bound: list[Volume | None] = field(default_factory=list)
    """The volumes of claims that are bound; None for one that does not exist."""
    delayed: list[tuple[PersistentVolumeClaim, list[Volume]]] = field(default_factory=list)
    """Claims that wait for the pod's node and the volumes that could serve them, small claims first."""
    plans: dict[str, Plan] = field(default_factory=dict)


class VolumeBinding:
    name = "VolumeBinding"

    def __init__(self, storage: Storage, writer: ClaimWriter, bind_seconds: float = BIND_SECONDS) -> None:
        self._storage = storage
        self._writer = writer
        self._bind_seconds = bind_seconds

    def pre_filter(self, state: CycleState, pod: PodInfo) -> Status | None:
        if not pod.claims:
            return SKIP
        volumes = PodVolumes()
        for volume in pod.pod.spec.volumes:
            if (name := claim_name(pod.pod, volume)) is None:
                continue
            claim = self._storage.claims.get(f"{pod.namespace}/{name}")
            problem = problem_of(pod.pod, name, claim, ephemeral=volume.ephemeral is not None)
            if claim is None or problem:
                return unresolvable(problem)
            if is_fully_bound(claim):
                found = self._storage.volumes.get(claim.spec.volumeName)
                volumes.bound.append(compiled(found) if found is not None else None)
            elif not claim.spec.volumeName and is_delayed(self._storage.classes.get(class_of(claim))):
                told = SELECTED_NODE in claim.metadata.annotations
                volumes.delayed.append((claim, [] if told else candidates(claim, self._storage.volumes.values())))
            else:
                return unresolvable(_UNBOUND)
        volumes.delayed.sort(key=lambda entry: requested(entry[0]))
        state[self.name] = volumes
        return None

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        volumes: PodVolumes = state[self.name]
        reasons = []
        if any(volume is not None and not volume.reaches(node) for volume in volumes.bound):
            reasons.append(_NODE_CONFLICT)
        plan = Plan()
        problems = {self._place(claim, found, node, plan) for claim, found in volumes.delayed} - {""}
        reasons.extend(reason for reason in (_BIND_CONFLICT, _NO_SPACE) if reason in problems)
        if None in volumes.bound:
            reasons.append(_NO_VOLUME)
        if reasons:
            return unresolvable(*reasons)
        volumes.plans[node.name] = plan
        return None

    def _place(self, claim: PersistentVolumeClaim, found: list[Volume], node: NodeInfo, plan: Plan) -> str:
        """Add to the plan what the claim needs on the node; the reason why nothing serves it, or nothing."""
        told = claim.metadata.annotations.get(SELECTED_NODE)
        if told is not None and told != node.name:
            return _BIND_CONFLICT
        volume = first_reaching(found, node, [bound.metadata.name for _, bound in plan.bind])
        if volume is not None:
            plan.bind.append((claim, volume.object))
            return ""
        storage_class = self._storage.classes.get(class_of(claim))
        if (
            storage_class is None
            or storage_class.provisioner in ("", _NO_PROVISIONER)
            or not allows(storage_class, node)
        ):
            return _BIND_CONFLICT
        if not has_room(self._storage, storage_class, claim, node):
            return _NO_SPACE
        plan.provision.append(claim)
        return ""

    # --- from the decision to bound volumes -----------------------------------------------------------

    def _plan(self, state: CycleState, node_name: str) -> Plan | None:
        volumes: PodVolumes | None = state.get(self.name)
        return volumes.plans.get(node_name) if volumes is not None else None

    def reserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        plan = self._plan(state, node_name)
        if plan is None:
            return None
        plan.bind = [(claim, bound_to(volume, claim)) for claim, volume in plan.bind]
        for _, volume in plan.bind:
            self._storage.volumes.assume(volume.metadata.name, volume)
        plan.provision = [provisioned_for(claim, node_name) for claim in plan.provision]
        for claim in plan.provision:
            self._storage.claims.assume(key(claim), claim)
        return None

    def unreserve(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        plan = self._plan(state, node_name)
        if plan is not None:
            for _, volume in plan.bind:
                self._storage.volumes.restore(volume.metadata.name)
            for claim in plan.provision:
                self._storage.claims.restore(key(claim))

    def pre_bind_pre_flight(self, state: CycleState, pod: PodInfo, node_name: str) -> bool:
        plan = self._plan(state, node_name)
        return plan is not None and bool(plan.bind or plan.provision)

    async def pre_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        """Write the plan and wait until the claims are bound.  Raises StatusError."""
        plan = self._plan(state, node_name)
        if plan is None or not (plan.bind or plan.provision):
            return None
        for _, volume in plan.bind:
            await self._writer.update_volume(volume)
        for claim in plan.provision:
            await self._writer.update_claim(claim)
        try:
            if await self._storage.until(lambda: self._is_done(plan, node_name), self._bind_seconds):
                return None
        except _Failed as problem:
            return Status(Code.ERROR, (f"binding volumes: {problem}",))
        return Status(Code.ERROR, ("binding volumes: context deadline exceeded",))

    def _is_done(self, plan: Plan, node_name: str) -> bool:
        done = True
        for claim, assumed in plan.bind:
            volume = self._storage.volumes.get(assumed.metadata.name)
            if volume is None or volume.spec.claimRef is None or volume.spec.claimRef.uid != claim.metadata.uid:
                raise _Failed(f'volume "{assumed.metadata.name}" ClaimRef got reset')
            done = done and self._is_bound(claim)
        for claim in plan.provision:
            current = self._storage.claims.get(key(claim))
            if current is None or current.metadata.deletionTimestamp is not None:
                raise _Failed(f'persistentvolumeclaim "{claim.metadata.name}" is being deleted')
            told = current.metadata.annotations.get(SELECTED_NODE)
            if told is None:
                raise _Failed(f'selectedNode annotation reset for PVC "{claim.metadata.name}"')
            if told != node_name:
                raise _Failed(f'selectedNode annotation value "{told}" not set to scheduled node "{node_name}"')
            done = done and self._is_bound(claim)
        return done

    def _is_bound(self, claim: PersistentVolumeClaim) -> bool:
        current = self._storage.claims.get(key(claim))
        return current is not None and is_fully_bound(current)

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        if event.change & Change.CLAIM and event.claim is not None:
            return key(event.claim) in pod.claims
        useful = NODE | Change.VOLUME | Change.STORAGE_CLASS | Change.CSI_NODE | Change.CSI_DRIVER | Change.CSI_CAPACITY
        return bool(event.change & useful)


class _Failed(Exception):
    """The binding of volumes cannot come to a good end."""


def key(claim: PersistentVolumeClaim) -> str:
    return f"{claim.metadata.namespace}/{claim.metadata.name}"


def problem_of(pod: Pod, name: str, claim: PersistentVolumeClaim | None, *, ephemeral: bool) -> str:
    """Why a claim cannot be used now by a pod that names it; empty when it can."""
    if claim is None:
        if ephemeral:
            return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
        return f'persistentvolumeclaim "{name}" not found'
    if claim.status.phase == "Lost":
        return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{claim.spec.volumeName}"'
    if claim.metadata.deletionTimestamp is not None:
        return f'persistentvolumeclaim "{name}" is being deleted'
    owners = claim.metadata.ownerReferences
    if ephemeral and not any(owner.controller and owner.uid == pod.metadata.uid for owner in owners):
        whose, pods = f"{claim.metadata.namespace}/{name}", f"{pod.metadata.namespace}/{pod.metadata.name}"
        return f"PVC {whose} was not created for pod {pods} (pod is not owner)"
    return ""


def bound_to(volume: PersistentVolume, claim: PersistentVolumeClaim) -> PersistentVolume:
    """The volume with the claim's name on it, as the persistent volume controller expects it."""
    changed = volume.copy_deep()
    changed.spec.claimRef = ObjectReference(
        apiVersion="v1",
        kind="PersistentVolumeClaim",
        namespace=claim.metadata.namespace,
        name=claim.metadata.name,
        uid=claim.metadata.uid,
        resourceVersion=claim.metadata.resourceVersion,
    )
    if volume.spec.claimRef is None:
        changed.metadata.annotations = {**changed.metadata.annotations, BOUND_BY_CONTROLLER: "yes"}
    return changed


def provisioned_for(claim: PersistentVolumeClaim, node_name: str) -> PersistentVolumeClaim:
    """The claim with the word to its provisioner."""
    changed = claim.copy_deep()
    changed.metadata.annotations = {**changed.metadata.annotations, SELECTED_NODE: node_name}
    return changed
