"""Empties namespaces that are being deleted, then lets them go.

https://kubernetes.io/docs/tasks/administer-cluster/namespaces/#deleting-a-namespace
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from api.core_v1 import Namespace, NamespaceCondition, Pod
from api.errors import Conflict, MethodNotAllowed, NotFound, StatusError
from api.meta_v1 import PartialObjectMetadata
from client.controller import Controller, Key, NotYet, Watches
from client.discovery import Discovery, ServedResource, discover

FINALIZER = "kubernetes"
_PODS = ("", "pods")

# (type, reason and message when all is well, reason otherwise)
_CONDITIONS = {
    "NamespaceDeletionDiscoveryFailure": (
        "ResourcesDiscovered",
        "All resources successfully discovered",
        "DiscoveryFailed",
    ),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
        "GroupVersionParsingFailed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
        "ContentDeletionFailed",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed", "SomeResourcesRemain"),
    "NamespaceFinalizersRemaining": (
        "ContentHasNoFinalizers",
        "All content-preserving finalizers finished",
        "SomeFinalizersRemain",
    ),
}


class Remains:
    """What is left in a namespace after everything was asked to go."""

    def __init__(self, discovery: Discovery) -> None:
        self.discovery = discovery
        self.failures: list[str] = []
        self.objects: Counter[str] = Counter()
        self.finalizers: Counter[str] = Counter()

    @property
    def nothing(self) -> bool:
        return not (self.discovery.failures or self.failures or self.objects)

    def messages(self) -> dict[str, str]:
        """The message of each condition that is not well, by type."""
        result = {}
        if self.discovery.failures:
            failures = self.discovery.failures
            found = ", ".join(f"{name}: {why}" for name, why in sorted(failures.items()))
            result["NamespaceDeletionDiscoveryFailure"] = (
                f"Discovery failed for some groups, {len(failures)} failing: "
                f"unable to retrieve the complete list of server APIs: {found}"
            )
        if self.failures:
            result["NamespaceDeletionContentFailure"] = (
                "Failed to delete all resource types, "
                f"{len(self.failures)} remaining: {', '.join(sorted(self.failures))}"
            )
        if self.objects:
            found = ", ".join(f"{name} has {n} resource instances" for name, n in sorted(self.objects.items()))
            result["NamespaceContentRemaining"] = f"Some resources are remaining: {found}"
        if self.finalizers:
            found = ", ".join(f"{name} in {n} resource instances" for name, n in sorted(self.finalizers.items()))
            result["NamespaceFinalizersRemaining"] = f"Some content in the namespace has finalizers remaining: {found}"
        return result


class NamespaceController(Controller):
    name = "namespace-controller"
    workers = 3

    def setup(self, watch: Watches) -> None:
        self.namespaces = watch(Namespace, enqueue=self._namespace_changed)
        self.pods = watch(Pod, enqueue=self._pod_gone)

    def _namespace_changed(self, old: Namespace | None, new: Namespace | None) -> Iterable[Key]:
        """That conditions have been written is no reason to look through everything again."""
        if new is None or new.metadata.deletionTimestamp is None:
            return
        if old is None or old.metadata.deletionTimestamp is None or old.spec != new.spec:
            yield new.metadata.name

    def _pod_gone(self, old: Pod | None, new: Pod | None) -> Iterable[Key]:
        """The last pod of a namespace that is being deleted: the rest may follow."""
        if new is None and old is not None:
            namespace = self.namespaces.get(old.metadata.namespace)
            if namespace is not None and namespace.metadata.deletionTimestamp is not None:
                yield from () if self.pods.in_namespace(old.metadata.namespace) else (old.metadata.namespace,)

    async def reconcile(self, key: Key) -> None:
        namespace = self.namespaces.get(key)
        if namespace is None or namespace.metadata.deletionTimestamp is None:
            return
        if FINALIZER not in namespace.spec.finalizers:
            return
        remains = await self._empty(key)
        namespace = await self._note(namespace, remains)
        if not remains.nothing:
            raise NotYet(f"namespace {key} is not empty yet")
        updated = namespace.copy_deep()
        updated.spec.finalizers.remove(FINALIZER)
        try:
            await self.client.update(updated, subresource="finalize")
        except NotFound:
            return

    async def _empty(self, namespace: str) -> Remains:
        remains = Remains(await discover(self.client))
        deletable = [s for s in remains.discovery.with_verbs("delete") if s.resource.namespaced]
        for served in [served for served in deletable if served.identity == _PODS]:
            await self._empty_resource(namespace, served, remains)
            deletable.remove(served)
        if remains.objects:
            return remains  # what pods may still need stays until they are gone (KEP-5080)
        limit = asyncio.Semaphore(8)

        async def one(served: ServedResource) -> None:
            async with limit:
                await self._empty_resource(namespace, served, remains)

        await asyncio.gather(*(one(served) for served in deletable))
        return remains

    async def _empty_resource(self, namespace: str, served: ServedResource, remains: Remains) -> None:
        where = served.resource
        try:
            left = await self.client.list(PartialObjectMetadata, namespace, resource=where)
            if not left.items:
                return
            if "deletecollection" in served.verbs:
                await self.client.delete_collection(
                    PartialObjectMetadata, namespace, resource=where, propagation="Background"
                )
            else:
                for obj in left.items:
                    await self.client.delete(
                        PartialObjectMetadata, obj.metadata.name, namespace, resource=where, propagation="Background"
                    )
            left = await self.client.list(PartialObjectMetadata, namespace, resource=where)
        except (NotFound, MethodNotAllowed):
            return
        except StatusError as error:
            remains.failures.append(f"{where.group_resource}: {error}")
            return
        if left.items:
            remains.objects[f"{where.plural}.{where.group}"] += len(left.items)
        for obj in left.items:
            remains.finalizers.update(obj.metadata.finalizers)

    async def _note(self, namespace: Namespace, remains: Remains) -> Namespace:
        conditions = conditions_of(namespace, remains.messages(), self.clock.now())
        if conditions == namespace.status.conditions:
            return namespace
        status = namespace.status.model_copy(update={"conditions": conditions, "phase": "Terminating"})
        try:
            return await self.client.update(namespace.model_copy(update={"status": status}), subresource="status")
        except (Conflict, NotFound):
            live = await self.client.get(Namespace, namespace.metadata.name)
            return await self.client.update(live.model_copy(update={"status": status}), subresource="status")


def conditions_of(namespace: Namespace, messages: dict[str, str], now: datetime) -> list[NamespaceCondition]:
    """All five conditions; a transition is noted when the status or the message changes."""
    result = [c for c in namespace.status.conditions if c.type not in _CONDITIONS]
    for type, (well, text, ill) in _CONDITIONS.items():
        known = next((c for c in namespace.status.conditions if c.type == type), None)
        message = messages.get(type)
        status, reason, message = ("False", well, text) if message is None else ("True", ill, message)
        if known is not None and (known.status, known.reason, known.message) == (status, reason, message):
            result.append(known)
            continue
        since = known.lastTransitionTime if known is not None and known.status == status else None
        result.append(
            NamespaceCondition(
                type=type,
                status=status,
                reason=reason,
                message=message,
                lastTransitionTime=since or now.replace(microsecond=0),
            )
        )
    return result
