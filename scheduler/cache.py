"""The scheduler's picture of the cluster: nodes, the pods on them, and the pods it just decided about.

Guarantees:
- A pod is counted on at most one node, and in every running sum exactly once.
- A decision counts at once (`assume`), before the API server has confirmed it; the confirmation replaces
  it, `forget` takes it back, and one that is never confirmed expires.
- Nothing here awaits: whoever runs between two awaits sees one consistent picture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from api.clock import Clock
from api.core_v1 import Node, Pod
from scheduler.match_counts import MatchCounts, TermCounts
from scheduler.node_info import NodeInfo
from scheduler.pod_info import AffinityTerm, PodInfo, WeightedTerm

ASSUMED_SECONDS = 30.0
"""How long a finished binding may stay unconfirmed by the watch before it is taken back."""


_LOGGED = 4096


class Cache:
    def __init__(self, clock: Clock, assumed_seconds: float = ASSUMED_SECONDS) -> None:
        self._clock = clock
        self._assumed_seconds = assumed_seconds
        self._pods: dict[str, PodInfo] = {}
        self._assumed: dict[str, float | None] = {}
        self._next_expiry = 0.0
        self.nodes: dict[str, NodeInfo] = {}
        self._ordered: list[NodeInfo] | None = []
        self.tainted: set[str] = set()
        self.unschedulable: set[str] = set()
        self.changes = 0
        """Counts the changes of nodes and of the pods on them."""
        self._log: deque[str] = deque(maxlen=_LOGGED)
        self.image_nodes: dict[str, int] = {}
        """How many nodes have each image."""
        self._domains: dict[str, dict[str, int]] = {}
        self._labelled: dict[str, bool] = {}
        self._by_label: dict[tuple[str, str], dict[str, PodInfo]] = {}
        self.namespaces: dict[str, dict[str, str]] = {}
        self.claim_pods: dict[str, set[str]] = {}
        """Uids of the pods on nodes that use each PersistentVolumeClaim, by its key."""
        self.matches = MatchCounts(self._placed)
        self.anti_affinity: TermCounts[AffinityTerm] = TermCounts()
        self.affinity: TermCounts[AffinityTerm] = TermCounts()
        self.preferred_affinity: TermCounts[WeightedTerm] = TermCounts()
        self.preferred_anti_affinity: TermCounts[WeightedTerm] = TermCounts()

    # --- pods ---------------------------------------------------------------------------------------

    def assume(self, pod: PodInfo, node_name: str) -> None:
        """Count a pod on a node although the API server does not know yet.  It must not be counted already."""
        assert pod.uid not in self._pods, f"{pod.key} is already on {self._pods[pod.uid].node_name}"
        pod.node_name = node_name
        self._place(pod)
        self._assumed[pod.uid] = None

    def binding_finished(self, uid: str) -> None:
        """The binding was accepted: if the watch does not confirm it in time, it expires."""
        if uid in self._assumed:
            self._assumed[uid] = self._clock.monotonic() + self._assumed_seconds

    def forget(self, pod: PodInfo) -> None:
        """Take back what `assume` did; harmless when the watch has confirmed the pod meanwhile."""
        if pod.uid in self._assumed:
            del self._assumed[pod.uid]
            self._lift(pod.uid)
            pod.node_name = ""

    def is_assumed(self, uid: str) -> bool:
        return uid in self._assumed

    def expire_assumed(self) -> list[PodInfo]:
        """Drop decisions that stayed unconfirmed; returns the pods."""
        now = self._clock.monotonic()
        if not self._assumed or now < self._next_expiry:
            return []
        self._next_expiry = now + 1
        late = [uid for uid, deadline in self._assumed.items() if deadline is not None and deadline <= now]
        expired = []
        for uid in late:
            del self._assumed[uid]
            expired.append(self._pods[uid])
            self._lift(uid)
        return expired

    def set_pod(self, pod: Pod) -> PodInfo:
        """A pod that is bound to a node, as the watch shows it: new, changed, or confirming an assumption."""
        uid = pod.metadata.uid
        self._assumed.pop(uid, None)
        known = self._pods.get(uid)
        if known is not None:
            if known.counts_like(pod):
                known.pod = pod
                return known
            self._lift(uid)
        info = PodInfo(pod)
        self._place(info)
        return info

    def remove_pod(self, uid: str) -> PodInfo | None:
        """The pod is gone or finished: its place is free."""
        self._assumed.pop(uid, None)
        return self._lift(uid) if uid in self._pods else None

    def pod(self, uid: str) -> PodInfo | None:
        """The pod as it is counted, if it is on a node."""
        return self._pods.get(uid)

    def counts(self) -> dict[str, int]:
        """How many nodes, pods and assumed pods there are."""
        return {"nodes": len(self.nodes), "pods": len(self._pods), "assumed_pods": len(self._assumed)}

    def placed(self) -> Iterable[PodInfo]:
        """All pods that are counted on a node."""
        return self._pods.values()

    def put_back(self, pod: PodInfo) -> None:
        """Undo `take_away`."""
        self._place(pod)

    def take_away(self, pod: PodInfo) -> None:
        """Try how things would be without a pod; `put_back` must follow before the next await."""
        self._lift(pod.uid)

    def _place(self, pod: PodInfo) -> None:
        node = self.nodes.get(pod.node_name)
        if node is None:
            node = self.nodes[pod.node_name] = NodeInfo(pod.node_name)
        self._pods[pod.uid] = pod
        for label in pod.labels.items():
            self._by_label.setdefault(label, {})[pod.uid] = pod
        node.add(pod)
        self._changed(node.name)
        self._count(node, pod, 1)

    def _lift(self, uid: str) -> PodInfo:
        pod = self._pods.pop(uid)
        for label in pod.labels.items():
            alike = self._by_label[label]
            del alike[uid]
            if not alike:
                del self._by_label[label]
        node = self.nodes[pod.node_name]
        node.remove(pod)
        self._changed(node.name)
        self._count(node, pod, -1)
        if node.node is None and not node.pods:
            del self.nodes[node.name]
        return pod

    def _count(self, node: NodeInfo, pod: PodInfo, sign: int) -> None:
        self.matches.count(node, pod, sign)
        for claim in pod.claims:
            if sign > 0:
                self.claim_pods.setdefault(claim, set()).add(pod.uid)
            elif users := self.claim_pods.get(claim):
                users.discard(pod.uid)
                if not users:
                    del self.claim_pods[claim]
        if pod.has_affinity:
            self.affinity.count(node, pod.affinity, sign)
            self.anti_affinity.count(node, pod.anti_affinity, sign)
            self.preferred_affinity.count(node, pod.preferred_affinity, sign)
            self.preferred_anti_affinity.count(node, pod.preferred_anti_affinity, sign)

    def _placed(self, labels: Iterable[tuple[str, str]]) -> Iterator[tuple[NodeInfo, PodInfo]]:
        """Pods with their nodes: at least those that carry all these labels."""
        alike = [self._by_label.get(label, {}) for label in labels]
        for pod in min(alike, key=len, default=self._pods).values():
            yield self.nodes[pod.node_name], pod

    # --- nodes --------------------------------------------------------------------------------------

    def set_node(self, node: Node) -> None:
        """A node appeared or changed."""
        name = node.metadata.name
        info = self.nodes.get(name)
        if info is None:
            info = self.nodes[name] = NodeInfo(name)
        known = info.node is not None
        labels, zone = info.labels, info.zone
        self._count_images(info, -1)
        info.set_node(node)
        self._count_images(info, 1)
        self._changed(name)
        if not known or info.zone != zone:
            self._ordered = None
        if not known or info.labels != labels:
            self._forget_domains()
        (self.tainted.add if info.hard_taints or info.soft_taints else self.tainted.discard)(name)
        (self.unschedulable.add if info.unschedulable else self.unschedulable.discard)(name)

    def remove_node(self, name: str) -> None:
        """A node is gone.  Its pods stay counted until they are gone themselves."""
        info = self.nodes.get(name)
        if info is None:
            return
        self._count_images(info, -1)
        if info.pods:
            fresh = NodeInfo(name)
            for pod in info.pods.values():
                fresh.add(pod)
            self.nodes[name] = fresh
        else:
            del self.nodes[name]
        self._ordered = None
        self._changed(name)
        self.tainted.discard(name)
        self.unschedulable.discard(name)
        self._forget_domains()

    def _count_images(self, node: NodeInfo, sign: int) -> None:
        for image in node.images:
            count = self.image_nodes.get(image, 0) + sign
            if count:
                self.image_nodes[image] = count
            else:
                del self.image_nodes[image]

    def domains(self, key: str) -> dict[str, int]:
        """The values of a node label, and how many nodes carry each."""
        found = self._domains.get(key)
        if found is None:
            found = self._domains[key] = {}
            for node in self.ordered:
                value = node.labels.get(key)
                if value is not None:
                    found[value] = found.get(value, 0) + 1
        return found

    def labelled(self, key: str) -> bool:
        """Whether every node carries the label."""
        found = self._labelled.get(key)
        if found is None:
            found = self._labelled[key] = sum(self.domains(key).values()) == len(self.ordered)
        return found

    def _forget_domains(self) -> None:
        self._domains.clear()
        self._labelled.clear()
        self.matches.forget_domains()
        for terms in (self.affinity, self.anti_affinity):
            terms.forget_domains()
        for weighted in (self.preferred_affinity, self.preferred_anti_affinity):
            weighted.forget_domains()

    def _changed(self, name: str) -> None:
        self.changes += 1
        self._log.append(name)

    def changed_since(self, seen: int) -> set[str] | None:
        """Names of the nodes that changed after the first `seen` changes; None when that is no longer known."""
        count = self.changes - seen
        if seen < 0 or count > len(self._log):
            return None
        return {self._log[-i] for i in range(1, count + 1)}

    @property
    def ordered(self) -> list[NodeInfo]:
        """The existing nodes, taking turns between zones so that a part of the list has nodes of all."""
        if self._ordered is None:
            self._ordered = by_turns([node for node in self.nodes.values() if node.node is not None])
        return self._ordered


def by_turns(nodes: list[NodeInfo]) -> list[NodeInfo]:
    """Nodes in an order that takes one of each zone in turn."""
    zones: dict[str, deque[NodeInfo]] = {}
    for node in nodes:
        zones.setdefault(node.zone, deque()).append(node)
    ordered: list[NodeInfo] = []
    waiting = list(zones.values())
    while waiting:
        ordered.extend(zone.popleft() for zone in waiting)
        waiting = [zone for zone in waiting if zone]
    return ordered
