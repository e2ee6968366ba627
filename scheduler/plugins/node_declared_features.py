"""NodeDeclaredFeatures: a pod that needs a feature of the kubelet runs where that is declared (KEP-5328).

Nodes say in `status.declaredFeatures` what they can and older ones could not.
"""

from __future__ import annotations

from api.core_v1 import Pod
from scheduler.cluster_event import Change, ClusterEvent
from scheduler.framework import SKIP, CycleState, Status, unresolvable
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo

RESTART_ALL = "RestartAllContainersOnContainerExits"

_NO_MATCH = unresolvable("node(s) didn't match Pod's required features")


class NodeDeclaredFeatures:
    name = "NodeDeclaredFeatures"

    def pre_filter(self, state: CycleState, pod: PodInfo) -> Status | None:
        needed = required_features(pod.pod)
        state[self.name] = needed
        return None if needed else SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        needed: frozenset[str] = state[self.name]
        declared = node.node.status.declaredFeatures if node.node is not None else ()
        return None if needed.issubset(declared) else _NO_MATCH

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        return bool(event.change & (Change.NODE_ADDED | Change.NODE_FEATURES))


def required_features(pod: Pod) -> frozenset[str]:
    """The features that a pod needs to run as it says."""
    containers = (*pod.spec.containers, *pod.spec.initContainers)
    rules = (rule for container in containers for rule in container.restartPolicyRules)
    return frozenset((RESTART_ALL,)) if any(rule.action == "RestartAllContainers" for rule in rules) else frozenset()
