"""Who owns whom, from owner references.  No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from api.meta_v1 import ObjectMeta, OwnerReference
from api.scheme import GroupVersion, Resource

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


@dataclass(eq=False)
class GraphNode:
    """An object, by UID.  `resource` is None while it is known only from references to it (*virtual*)."""

    uid: str
    resource: Resource | None = None
    namespace: str = ""
    name: str = ""
    owners: list[OwnerReference] = field(default_factory=list)
    deleting: bool = False
    finalizers: frozenset[str] = frozenset()
    dependents: set[GraphNode] = field(default_factory=set)

    @property
    def is_virtual(self) -> bool:
        return self.resource is None

    @property
    def deletes_dependents(self) -> bool:
        """It goes only after those of its dependents that block it."""
        return self.deleting and FOREGROUND in self.finalizers

    @property
    def orphans_dependents(self) -> bool:
        return self.deleting and ORPHAN in self.finalizers

    def blocks(self, owner: GraphNode) -> bool:
        """Whether its reference holds up the foreground deletion of `owner`."""
        return any(r.uid == owner.uid and r.blockOwnerDeletion for r in self.owners)

    def may_own(self, dependent: GraphNode) -> bool:
        """Owners are in the same namespace or in none."""
        return not self.namespace or self.namespace == dependent.namespace

    def is_meant_by(self, reference: OwnerReference) -> bool:
        """Whether a reference to its UID also names it rightly, in whatever version of its group."""
        where = self.resource
        return (
            where is not None
            and (where.kind, self.name) == (reference.kind, reference.name)
            and GroupVersion.parse(reference.apiVersion).group == where.group
        )

    def __str__(self) -> str:
        kind = self.resource.kind if self.resource else "?"
        return f"{kind} {self.namespace}/{self.name} ({self.uid})"


class Graph:
    """Nodes by UID, kept in step by `observe` and `forget`."""

    def __init__(self) -> None:
        self._nodes: dict[str, GraphNode] = {}

    def get(self, uid: str) -> GraphNode | None:
        return self._nodes.get(uid)

    def __len__(self) -> int:
        return len(self._nodes)

    def observe(self, resource: Resource, meta: ObjectMeta) -> GraphNode:
        """An object is there, as `meta` says."""
        node = self._nodes.get(meta.uid)
        if node is None:
            node = self._nodes[meta.uid] = GraphNode(meta.uid)
        node.resource, node.namespace, node.name = resource, meta.namespace, meta.name
        node.deleting, node.finalizers = meta.deletionTimestamp is not None, frozenset(meta.finalizers)
        before, after = {r.uid for r in node.owners}, {r.uid for r in meta.ownerReferences}
        node.owners = meta.ownerReferences
        for uid in before - after:
            self._detach(node, uid)
        for uid in after - before:
            owner = self._nodes.get(uid)
            if owner is None:
                owner = self._nodes[uid] = GraphNode(uid)
            owner.dependents.add(node)
        return node

    def forget(self, uid: str) -> GraphNode | None:
        """The object is gone.  Its dependents, if any, now have a virtual owner."""
        node = self._nodes.pop(uid, None)
        if node is None:
            return None
        for reference in node.owners:
            self._detach(node, reference.uid)
        if node.dependents:
            self._nodes[uid] = GraphNode(uid, dependents=node.dependents)
        return node

    def _detach(self, node: GraphNode, owner_uid: str) -> None:
        owner = self._nodes.get(owner_uid)
        if owner is not None:
            owner.dependents.discard(node)
            if owner.is_virtual and not owner.dependents:
                del self._nodes[owner_uid]
