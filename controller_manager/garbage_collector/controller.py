"""Watches the metadata of every kind and acts on what the graph says.

The work queue's keys are UIDs.  An event only updates the graph and enqueues; every decision is taken again in
`reconcile`, from the live object.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from api.core_v1 import ObjectReference
from api.errors import Conflict, NotFound, StatusError
from api.meta_v1 import ObjectMeta, OwnerReference, PartialObjectMetadata
from api.scheme import GroupVersion, Resource
from client.controller import Controller, Key, NotYet, Watches
from client.discovery import Discovery, discover
from client.informer import Informer
from client.rest import Unreachable
from controller_manager.garbage_collector.graph import FOREGROUND, ORPHAN, Graph, GraphNode

_SYNC_PATIENCE = 30.0
_IGNORED = {("", "events"), ("events.k8s.io", "events")}
_KINDS_COME_BY = {("apiextensions.k8s.io", "customresourcedefinitions"), ("apiregistration.k8s.io", "apiservices")}
_SERVED_AFTER = (0.5, 5.0)
"""Seconds after a change of a definition at which to look what is served: an aggregated server may take its time."""

Absentee = tuple[str, str, str, str, str]
"""apiVersion, kind, namespace, name and UID of an object that is known not to exist."""


class NeverValid(Exception):
    """A cluster-wide object refers to an owner in a namespace: nobody can say whether that one exists."""


class GarbageCollector(Controller):
    name = "garbage-collector-controller"
    workers = 20

    def __init__(self, *common: Any, discovery_period: float = 30.0) -> None:
        """`discovery_period`: seconds between looks for new kinds where they come unannounced: when a group could not
        be asked, or the server does not say which definitions of kinds there are."""
        self.graph = Graph()
        self.discovery = Discovery()
        self.absent: dict[Absentee, None] = {}
        self._kinds_changed = asyncio.Event()
        self._period = discovery_period
        self._watched: dict[tuple[str, str], Informer[Any]] = {}
        self._roots: dict[tuple[str, str], str] = {}
        """The paths of the group versions in which they are watched."""
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        """What there is to watch is found out when running."""

    async def run(self) -> None:
        await self._watch_new_kinds()
        with contextlib.suppress(TimeoutError):  # a kind that cannot be read must not stop the others' collection
            async with asyncio.timeout(_SYNC_PATIENCE):
                for informer in [*self._watched.values()]:
                    await informer.synced()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_discovering())
            group.create_task(super().run())

    async def _keep_discovering(self) -> None:
        while True:
            announced = not self.discovery.failures and self._watched.keys() >= _KINDS_COME_BY
            await self._wait_for_kinds(None if announced else self._period)
            self._kinds_changed.clear()
            for seconds in _SERVED_AFTER:
                await self.clock.sleep(seconds)
                try:
                    await self._watch_new_kinds()
                except (StatusError, Unreachable):
                    self._kinds_changed.set()  # nobody announces them again

    async def _wait_for_kinds(self, longest: float | None) -> None:
        changed = asyncio.ensure_future(self._kinds_changed.wait())
        waits = [changed] if longest is None else [changed, asyncio.ensure_future(self.clock.sleep(longest))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def _watch_new_kinds(self) -> None:
        while True:
            try:
                self.discovery = await discover(self.client)
                break
            except (StatusError, Unreachable):
                if self._watched:
                    raise
                await self.clock.sleep(0.05)
        served = {s.identity: s.resource for s in self.discovery.with_verbs("list", "watch", "delete")}
        self._drop_gone_kinds(served)
        new = {identity: r for identity, r in served.items() if identity not in self._watched}
        for identity, resource in new.items():
            if identity in _IGNORED:
                continue
            # No second copy of what other controllers of this process hold anyway.
            informer = self.informers.whole(resource) or self.informers.of(PartialObjectMetadata, resource=resource)
            self._watched[identity] = informer
            self._roots[identity] = resource.root
            informer.on_change(partial(self._changed, resource))
        self.informers.start()

    def _drop_gone_kinds(self, served: Mapping[tuple[str, str], Resource]) -> None:
        """Stop watching what is not served any more, or is in another version only."""
        unknown = {GroupVersion.parse(version).group for version in self.discovery.failures}
        for identity, informer in [*self._watched.items()]:
            resource = served.get(identity)
            if identity[0] in unknown or (resource is not None and resource.root == self._roots[identity]):
                continue
            del self._watched[identity], self._roots[identity]
            self.informers.drop(informer)
            if resource is None:
                for obj in informer.store.list():
                    self._gone(obj.metadata.uid)

    # --- events ----------------------------------------------------------------------------------

    def _changed(self, resource: Resource, old: Any, new: Any) -> None:
        if (resource.group, resource.plural) in _KINDS_COME_BY:
            self._kinds_changed.set()
        if new is None:
            self._gone(old.metadata.uid)
            return
        meta: ObjectMeta = new.metadata
        if old is not None and not _interesting(old.metadata, meta):
            return
        known = self.graph.get(meta.uid)
        node = self.graph.observe(resource, meta)
        self.absent.pop(_identity(node), None)
        if old is None or old.metadata.ownerReferences != meta.ownerReferences:
            self._report_strangers(node)
        if known is not None and old is None:  # so far it was known from references only: they may be wrong
            for dependent in [d for d in node.dependents if not node.may_own(d)]:
                self._report_strangers(dependent, node.uid)
                self.queue.add(dependent.uid)
        if old is not None:
            self._enqueue(owner for r in old.metadata.ownerReferences if (owner := self._let_go(r, node)))
        if node.orphans_dependents:
            self.queue.add(node.uid)
        elif node.deletes_dependents:
            self._enqueue([node, *node.dependents])
        elif node.owners:
            self.queue.add(node.uid)

    def _let_go(self, before: OwnerReference, node: GraphNode) -> GraphNode | None:
        """The owner whose deletion the object held up and holds up no longer."""
        owner = self.graph.get(before.uid)
        if owner is None or not before.blockOwnerDeletion or node.blocks(owner):
            return None
        return owner if owner.deletes_dependents else None

    def _report_strangers(self, node: GraphNode, uid: str = "") -> None:
        """Owners (all, or that of the UID) must be in the object's own namespace or in none."""
        for reference in node.owners:
            owner = self.graph.get(reference.uid)
            if owner is None or owner.is_virtual or owner.may_own(node) or uid not in ("", reference.uid):
                continue
            assert node.resource is not None
            where = node.namespace
            named = (
                f"[{reference.apiVersion}/{reference.kind}, namespace: {where}, "
                f"name: {reference.name}, uid: {reference.uid}]"
            )
            about = ObjectReference(
                apiVersion=node.resource.api_version,
                kind=node.resource.kind,
                namespace=where,
                name=node.name,
                uid=node.uid,
            )
            message = f'ownerRef {named} does not exist in namespace "{where}"'
            self.events.event(about, "Warning", "OwnerRefInvalidNamespace", message)

    def _gone(self, uid: str) -> None:
        node = self.graph.forget(uid)
        if node is None:
            return
        self._note_absent(_identity(node))
        self._enqueue(node.dependents)
        for reference in node.owners:
            owner = self.graph.get(reference.uid)
            if owner is not None and owner.deletes_dependents:
                self.queue.add(owner.uid)

    def _note_absent(self, absentee: Absentee) -> None:
        self.absent[absentee] = None
        if len(self.absent) > 2000:
            del self.absent[next(iter(self.absent))]

    def _enqueue(self, nodes: Iterable[GraphNode]) -> None:
        for node in nodes:
            self.queue.add(node.uid)

    # --- decisions -------------------------------------------------------------------------------

    async def reconcile(self, key: Key) -> None:
        node = self.graph.get(key)
        if node is None or node.is_virtual:
            return
        if node.orphans_dependents:
            await self._orphan(node)
        elif node.deletes_dependents:
            await self._delete_dependents(node)
        elif node.owners and not node.deleting:
            await self._check_owners(node)

    async def _check_owners(self, node: GraphNode) -> None:
        """Delete the object if none of its owners is left, else drop references to those that are gone."""
        references = [*node.owners]  # those of the graph may become others while the server is asked
        try:
            solid, dangling, waiting = await self._sorted_owners(node, references)
        except NeverValid:
            return
        if solid and not dangling and not waiting:
            return
        live = await self._live(node)
        if live is None:
            self._gone(node.uid)
            return
        if not _same_owners(live.ownerReferences, references):
            raise NotYet(f"{node}: its owners changed")
        if solid:
            gone = {r.uid for r in (*dangling, *waiting)}
            keep = [r for r in live.ownerReferences if r.uid not in gone]
            await self._patch(node, live, {"ownerReferences": [r.to_dict() for r in keep] or None})
        elif waiting and node.dependents:
            for dependent in node.dependents:
                if dependent.deletes_dependents:  # a circle: let go of it
                    unblocked = [r.model_copy(update={"blockOwnerDeletion": False}) for r in live.ownerReferences]
                    await self._patch(node, live, {"ownerReferences": [r.to_dict() for r in unblocked]})
                    live = await self._live(node)
                    break
            if live is not None:
                await self._delete(node, live, "Foreground")
        else:
            policy = "Orphan" if ORPHAN in live.finalizers else "Background"
            await self._delete(node, live, "Foreground" if FOREGROUND in live.finalizers else policy)

    async def _sorted_owners(
        self, node: GraphNode, references: list[OwnerReference]
    ) -> tuple[list[OwnerReference], list[OwnerReference], list[OwnerReference]]:
        """(those there, those gone, those waiting for their dependents to go)"""
        solid: list[OwnerReference] = []
        dangling: list[OwnerReference] = []
        waiting: list[OwnerReference] = []
        for reference in references:
            owner = self.graph.get(reference.uid)
            if owner is not None and owner.is_meant_by(reference) and owner.may_own(node):
                (waiting if owner.deletes_dependents else solid).append(reference)
            elif await self._exists(node, reference):
                solid.append(reference)
            else:
                dangling.append(reference)
        return solid, dangling, waiting

    async def _exists(self, node: GraphNode, reference: OwnerReference) -> bool:
        """Ask the server: the graph may not have seen the owner yet, or not watch its kind.  Raises NeverValid."""
        resource = self.discovery.kind(reference.apiVersion, reference.kind)
        if resource is None:
            raise NotYet(f"{node}: nobody serves its owner {reference.apiVersion} {reference.kind}")
        if resource.namespaced and not node.namespace:
            raise NeverValid
        namespace = node.namespace if resource.namespaced else ""
        absentee = (reference.apiVersion, reference.kind, namespace, reference.name, reference.uid)
        if absentee in self.absent:
            return False
        try:
            found = await self.client.get(PartialObjectMetadata, reference.name, namespace, resource=resource)
        except NotFound:
            found = None
        if found is None or found.metadata.uid != reference.uid:
            self._note_absent(absentee)
            return False
        return True

    async def _delete_dependents(self, node: GraphNode) -> None:
        """Foreground deletion: the object goes when nothing that blocks it is left."""
        blocking = [dependent for dependent in node.dependents if dependent.blocks(node)]
        if not blocking:
            await self._remove_finalizer(node, FOREGROUND)
            return
        self._enqueue(dependent for dependent in blocking if not dependent.deleting)

    async def _orphan(self, node: GraphNode) -> None:
        """Dependents stay: they lose their reference, then the object may go."""

        async def release(dependent: GraphNode) -> None:
            live = await self._live(dependent)
            if live is not None:
                keep = [r.to_dict() for r in live.ownerReferences if r.uid != node.uid]
                if len(keep) != len(live.ownerReferences):
                    await self._patch(dependent, live, {"ownerReferences": keep or None})

        await asyncio.gather(*(release(dependent) for dependent in [*node.dependents]))
        await self._remove_finalizer(node, ORPHAN)

    # --- writing ---------------------------------------------------------------------------------

    async def _live(self, node: GraphNode) -> ObjectMeta | None:
        """The object's metadata now; None when it is gone (or another has its name)."""
        assert node.resource is not None
        try:
            found = await self.client.get(PartialObjectMetadata, node.name, node.namespace, resource=node.resource)
        except NotFound:
            return None
        return found.metadata if found.metadata.uid == node.uid else None

    async def _remove_finalizer(self, node: GraphNode, finalizer: str) -> None:
        live = await self._live(node)
        if live is None:
            self._gone(node.uid)
        elif finalizer in live.finalizers:
            await self._patch(node, live, {"finalizers": [f for f in live.finalizers if f != finalizer] or None})

    async def _patch(self, node: GraphNode, live: ObjectMeta, metadata: dict[str, Any]) -> None:
        assert node.resource is not None
        body = {"metadata": {"resourceVersion": live.resourceVersion, "uid": live.uid, **metadata}}
        try:
            await self.client.patch(PartialObjectMetadata, node.name, node.namespace, body, resource=node.resource)
        except NotFound:
            self._gone(node.uid)

    async def _delete(self, node: GraphNode, live: ObjectMeta, policy: str) -> None:
        assert node.resource is not None
        try:
            await self.client.delete(
                PartialObjectMetadata,
                node.name,
                node.namespace,
                uid=live.uid,
                resource_version=live.resourceVersion,
                propagation=policy,
                resource=node.resource,
            )
        except NotFound:
            self._gone(node.uid)
        except Conflict as error:
            raise NotYet(f"{node}: {error}") from error


def _interesting(old: ObjectMeta, new: ObjectMeta) -> bool:
    """Whether a change can change what the graph says or asks for."""
    return (
        old.ownerReferences != new.ownerReferences
        or (old.deletionTimestamp is None) != (new.deletionTimestamp is None)
        or old.finalizers != new.finalizers
    )


def _identity(node: GraphNode) -> Absentee:
    version, kind = (node.resource.api_version, node.resource.kind) if node.resource is not None else ("", "")
    return version, kind, node.namespace, node.name, node.uid


def _same_owners(one: list[OwnerReference], other: list[OwnerReference]) -> bool:
    return {r.uid for r in one} == {r.uid for r in other}
