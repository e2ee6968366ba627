"""Pods that were promised a node, because room is being made there for them."""

from __future__ import annotations

from scheduler.pod_info import PodInfo


class Nominations:
    """Pods that were promised a node (room is being made there), by node."""

    def __init__(self) -> None:
        self._by_node: dict[str, dict[str, PodInfo]] = {}
        self._node_of: dict[str, str] = {}

    def set(self, pod: PodInfo, node_name: str) -> None:
        """Promise a node to a pod, or take the promise back with an empty name."""
        self.drop(pod.uid)
        if node_name:
            self._by_node.setdefault(node_name, {})[pod.uid] = pod
            self._node_of[pod.uid] = node_name

    def drop(self, uid: str) -> None:
        node = self._node_of.pop(uid, None)
        if node is not None:
            pods = self._by_node[node]
            del pods[uid]
            if not pods:
                del self._by_node[node]

    def __bool__(self) -> bool:
        return bool(self._node_of)

    def node_of(self, uid: str) -> str:
        """The node promised to a pod; empty for none."""
        return self._node_of.get(uid, "")

    def ahead_of(self, pod: PodInfo, node_name: str) -> list[PodInfo]:
        """The other pods promised this node that are at least as important."""
        pods = self._by_node.get(node_name)
        if not pods:
            return []
        return [p for p in pods.values() if p.uid != pod.uid and p.priority >= pod.priority]

    def behind(self, pod: PodInfo, node_name: str) -> list[PodInfo]:
        """The pods promised this node that are less important."""
        return [p for p in self._by_node.get(node_name, {}).values() if p.priority < pod.priority]
