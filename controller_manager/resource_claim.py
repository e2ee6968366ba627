"""Makes the claims to devices that pods ask for by templates, and frees claims whose pods are over.

Of the claims only the metadata is watched, which the garbage collector does anyway: clusters without devices do not pay
for them.  https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from api.core_v1 import Pod, PodResourceClaim
from api.errors import NotFound, StatusError
from api.meta_v1 import ObjectMeta, PartialObjectMetadata
from api.scheme import resource_of_kind
from client.controller import Controller, Key, NotYet, Watches, controller_of
from client.store import Store, key_of
from controller_manager.claim import OWNER, by_controller
from controller_manager.pod_state import is_finished
from controller_manager.pod_template import controller_reference

if TYPE_CHECKING:
    from api.resource_v1 import ResourceClaim, ResourceClaimConsumerReference, ResourceClaimTemplate

CLAIMS = resource_of_kind("resource.k8s.io/v1", "ResourceClaim")
POD_CLAIM = "resource.kubernetes.io/pod-claim-name"
"""On a claim that was made for a pod: which of the pod's it is."""
FINALIZER = "resource.kubernetes.io/delete-protection"
"""On a claim that has devices."""
_POD, _CLAIM = "pod:", "claim:"
_MOST_CONSUMERS = 256


class ResourceClaimController(Controller):
    name = "resourceclaim-controller"

    def setup(self, watch: Watches) -> None:
        self._made: dict[tuple[str, str], str] = {}
        """Claims made for pods that the watch need not show yet, by the pod's uid and its name for the claim."""
        self._templates: Store[ResourceClaimTemplate] | None = None
        self.pods = watch(Pod, enqueue=self._pod_changed)
        self.claims = watch(
            PartialObjectMetadata, resource=CLAIMS, enqueue=_claim_changed, indexers={OWNER: by_controller}
        )

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> Iterable[Key]:
        pod = new or old
        assert pod is not None
        if not pod.spec.resourceClaims and pod.status.extendedResourceClaimStatus is None:
            return
        if new is not None and not is_over(new):
            yield _POD + key_of(new)
            return
        for wish in pod.spec.resourceClaims:
            self._made.pop((pod.metadata.uid, wish.name), None)
        yield from (_CLAIM + key for key in claims_of(pod))
        yield from (_CLAIM + key_of(claim) for claim in self.claims.by_index(OWNER, pod.metadata.uid))

    async def reconcile(self, key: Key) -> None:
        if key.startswith(_CLAIM):
            if self.claims.get(key.removeprefix(_CLAIM)) is not None:
                await self._free(key.removeprefix(_CLAIM))
            return
        pod = self.pods.get(key.removeprefix(_POD))
        if pod is not None and pod.metadata.deletionTimestamp is None and not is_finished(pod):
            await self._make_claims(pod)
            if pod.spec.nodeName and pod.status.phase == "Pending":
                await self._reserve(pod)

    # --- making ----------------------------------------------------------------------------------

    async def _make_claims(self, pod: Pod) -> None:
        names = {status.name: status.resourceClaimName for status in pod.status.resourceClaimStatuses}
        before = dict(names)
        for wish in pod.spec.resourceClaims:
            if wish.resourceClaimTemplateName is None or (wish.name in names and names[wish.name] is None):
                continue
            try:
                names[wish.name] = await self._made_for(pod, wish, names.get(wish.name) or "")
            except (StatusError, NotYet) as error:
                message = f"PodResourceClaim {wish.name}: {error}"
                self.events.event(pod, "Warning", "FailedResourceClaimCreation", message)
                raise NotYet(message) from error
        if names == before:
            return
        statuses = [
            {"name": name, **({"resourceClaimName": claim} if claim is not None else {})}
            for name, claim in names.items()
        ]
        meta = pod.metadata
        body = {"metadata": {"uid": meta.uid}, "status": {"resourceClaimStatuses": statuses}}
        await self.client.patch(Pod, meta.name, meta.namespace, body, subresource="status")

    async def _made_for(self, pod: Pod, wish: PodResourceClaim, recorded: str) -> str:
        """The name of the claim made for one of a pod's wishes, after making it if there is none."""
        uid = pod.metadata.uid
        known = recorded or self._made.get((uid, wish.name), "")
        if known and await self._exists(pod, known):
            return known
        for claim in self.claims.by_index(OWNER, uid):
            if claim.metadata.annotations.get(POD_CLAIM) == wish.name and claim.metadata.deletionTimestamp is None:
                return claim.metadata.name
        made = await self.client.create(await self._new_claim(pod, wish))
        self._made[uid, wish.name] = made.metadata.name
        return made.metadata.name

    async def _exists(self, pod: Pod, name: str) -> bool:
        namespace = pod.metadata.namespace
        found = self.claims.get(f"{namespace}/{name}")
        if found is None:
            try:
                found = await self.client.get(PartialObjectMetadata, name, namespace, resource=CLAIMS)
            except NotFound:
                return False
        owner = controller_of(found.metadata)
        if owner is None or owner.uid != pod.metadata.uid:
            raise NotYet(f"conflicting claim {namespace}/{name} exists, not owned by pod {key_of(pod)}")
        return True

    async def _new_claim(self, pod: Pod, wish: PodResourceClaim) -> ResourceClaim:
        from api.resource_v1 import ResourceClaim, ResourceClaimTemplate

        if self._templates is None:
            self._templates = await self.watch_too(ResourceClaimTemplate, enqueue=self._template_changed)
        name = wish.resourceClaimTemplateName
        template = self._templates.get(f"{pod.metadata.namespace}/{name}")
        if template is None:
            raise NotYet(f'resource claim template "{name}": resourceclaimtemplate.resource.k8s.io "{name}" not found')
        meta = template.spec.metadata
        return ResourceClaim(
            metadata=ObjectMeta(
                generateName=f"{pod.metadata.name}-{wish.name}-",
                namespace=pod.metadata.namespace,
                labels=dict(meta.labels),
                annotations={**meta.annotations, POD_CLAIM: wish.name},
                ownerReferences=[controller_reference(pod)],
            ),
            spec=template.spec.spec.copy_deep(),
        )

    def _template_changed(self, old: ResourceClaimTemplate | None, new: ResourceClaimTemplate | None) -> Iterable[Key]:
        """Pods may have come before the template they name."""
        if old is not None or new is None:
            return
        for pod in self.pods.in_namespace(new.metadata.namespace):
            if any(wish.resourceClaimTemplateName == new.metadata.name for wish in pod.spec.resourceClaims):
                yield _POD + key_of(pod)

    # --- reserving and freeing -------------------------------------------------------------------

    async def _reserve(self, pod: Pod) -> None:
        """Let a pod that was put on a node past the scheduler have its claims, as far as they have devices."""
        for key in claims_of(pod):
            claim = await self._read(key)
            if claim is None or claim.status.allocation is None:
                continue
            consumers = claim.status.reservedFor
            if any(each.uid == pod.metadata.uid for each in consumers) or len(consumers) >= _MOST_CONSUMERS:
                continue
            from api.resource_v1 import ResourceClaimConsumerReference

            consumer = ResourceClaimConsumerReference(resource="pods", name=pod.metadata.name, uid=pod.metadata.uid)
            claim.status.reservedFor = [*consumers, consumer]
            await self.client.update(claim, subresource="status")

    async def _read(self, key: Key) -> ResourceClaim | None:
        from api.resource_v1 import ResourceClaim

        namespace, _, name = key.partition("/")
        try:
            return await self.client.get(ResourceClaim, name, namespace)
        except NotFound:
            return None

    async def _free(self, key: Key) -> None:
        """Take a claim away from pods that are over; give its devices back and delete it where nobody needs it."""
        claim = await self._read(key)
        if claim is None:
            return
        consumers = [each for each in claim.status.reservedFor if await self._is_valid(claim, each)]
        if len(consumers) < len(claim.status.reservedFor):
            claim.status.reservedFor = consumers
            if not consumers and FINALIZER in claim.metadata.finalizers:
                claim.status.allocation = None
            claim = await self.client.update(claim, subresource="status")
            if claim.status.allocation is None:
                await self._unprotect(claim)
        elif not consumers and claim.metadata.deletionTimestamp is not None:
            if claim.status.allocation is not None and FINALIZER in claim.metadata.finalizers:
                claim.status.allocation = None
                claim = await self.client.update(claim, subresource="status")
            await self._unprotect(claim)
        if not consumers and self._owner_is_over(claim):
            try:
                await self.client.delete(type(claim), claim.metadata.name, claim.metadata.namespace)
            except NotFound:
                return

    async def _unprotect(self, claim: ResourceClaim) -> None:
        if FINALIZER in claim.metadata.finalizers:
            claim.metadata.finalizers.remove(FINALIZER)
            try:
                await self.client.update(claim)
            except NotFound:
                return

    async def _is_valid(self, claim: ResourceClaim, consumer: ResourceClaimConsumerReference) -> bool:
        """Whether a consumer is still to be reckoned with; the API is asked before a pod is called gone."""
        if consumer.apiGroup or consumer.resource != "pods":
            raise NotYet(f"unsupported ReservedFor entry: {consumer.resource}")
        namespace = claim.metadata.namespace
        pod = self.pods.get(f"{namespace}/{consumer.name}")
        if pod is None:
            try:
                pod = await self.client.get(Pod, consumer.name, namespace)
            except NotFound:
                return False
        return pod.metadata.uid == consumer.uid and not is_over(pod)

    def _owner_is_over(self, claim: ResourceClaim) -> bool:
        """Whether a claim was made for a pod that will not run (any more); one that is gone is the garbage
        collector's business."""
        owner = controller_of(claim.metadata)
        if owner is None or owner.kind != "Pod" or owner.apiVersion != "v1":
            return False
        pod = self.pods.get(f"{claim.metadata.namespace}/{owner.name}")
        return pod is not None and (pod.metadata.uid != owner.uid or is_over(pod))


def is_over(pod: Pod) -> bool:
    """Whether none of a pod's containers runs or ever will."""
    return is_finished(pod) or (pod.metadata.deletionTimestamp is not None and not pod.spec.nodeName)


def claims_of(pod: Pod) -> Iterator[Key]:
    """The claims to devices that a pod uses, as far as they have been made."""
    if not pod.spec.resourceClaims and pod.status.extendedResourceClaimStatus is None:
        return
    made = {status.name: status.resourceClaimName for status in pod.status.resourceClaimStatuses}
    extended = pod.status.extendedResourceClaimStatus
    names = [wish.resourceClaimName or made.get(wish.name) for wish in pod.spec.resourceClaims]
    names.append(extended.resourceClaimName if extended is not None else None)
    yield from (f"{pod.metadata.namespace}/{name}" for name in names if name)


def _claim_changed(old: PartialObjectMetadata | None, new: PartialObjectMetadata | None) -> Iterable[Key]:
    if new is not None:
        yield _CLAIM + key_of(new)
        return
    owner = controller_of(old.metadata) if old is not None else None
    if old is not None and owner is not None and owner.kind == "Pod":
        yield f"{_POD}{old.metadata.namespace}/{owner.name}"
