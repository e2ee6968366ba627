"""A node and the running sums of what is on it."""

from __future__ import annotations

from api.core_v1 import Node, Taint
from api.quantity import milli, whole
from scheduler.pod_info import PodInfo, Port
from scheduler.resources import CPU, EPHEMERAL_STORAGE, MEMORY, PODS

ZONE_LABEL = "topology.kubernetes.io/zone"
REGION_LABEL = "topology.kubernetes.io/region"
HOSTNAME_LABEL = "kubernetes.io/hostname"


class NodeInfo:
    """One node: what it offers, what its pods take, and the pods by uid.

    All amounts are integers (CPU in thousandths, bytes, units), kept up to date by `add` and `remove`.
    `node` is None while pods are known on a node that itself is not (yet, or no longer).
    """

    __slots__ = (
        "alloc_cpu",
        "alloc_ephemeral",
        "alloc_memory",
        "alloc_pods",
        "alloc_scalars",
        "cpu",
        "ephemeral",
        "hard_taints",
        "images",
        "labels",
        "memory",
        "name",
        "node",
        "pods",
        "ports",
        "scalars",
        "score_cpu",
        "score_memory",
        "soft_taints",
        "unschedulable",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.node: Node | None = None
        self.labels: dict[str, str] = {}
        self.hard_taints: list[Taint] = []
        self.soft_taints: list[Taint] = []
        self.unschedulable = False
        self.alloc_cpu = self.alloc_memory = self.alloc_ephemeral = self.alloc_pods = 0
        self.alloc_scalars: dict[str, int] = {}
        self.cpu = self.memory = self.ephemeral = self.score_cpu = self.score_memory = 0
        self.scalars: dict[str, int] = {}
        self.pods: dict[str, PodInfo] = {}
        self.ports: dict[Port, int] = {}
        self.images: dict[str, int] = {}

    def set_node(self, node: Node) -> None:
        """Take over what the Node object says."""
        self.node = node
        self.labels = node.metadata.labels
        self.hard_taints = [t for t in node.spec.taints if t.effect in ("NoSchedule", "NoExecute")]
        self.soft_taints = [t for t in node.spec.taints if t.effect == "PreferNoSchedule"]
        self.unschedulable = node.spec.unschedulable
        allocatable = node.status.allocatable
        self.alloc_cpu = milli(allocatable.get(CPU, "0"))
        self.alloc_memory = whole(allocatable.get(MEMORY, "0"))
        self.alloc_ephemeral = whole(allocatable.get(EPHEMERAL_STORAGE, "0"))
        self.alloc_pods = whole(allocatable.get(PODS, "0"))
        self.alloc_scalars = {
            name: whole(q) for name, q in allocatable.items() if name not in (CPU, MEMORY, EPHEMERAL_STORAGE, PODS)
        }
        self.images = {name: image.sizeBytes for image in node.status.images for name in image.names}

    def add(self, pod: PodInfo) -> None:
        """Count a pod in."""
        self.pods[pod.uid] = pod
        self._count(pod, 1)

    def remove(self, pod: PodInfo) -> None:
        """Count a pod out."""
        if self.pods.pop(pod.uid, None) is not None:
            self._count(pod, -1)

    def _count(self, pod: PodInfo, sign: int) -> None:
        self.cpu += sign * pod.cpu
        self.memory += sign * pod.memory
        self.ephemeral += sign * pod.ephemeral
        self.score_cpu += sign * pod.score_cpu
        self.score_memory += sign * pod.score_memory
        for name, amount in pod.scalars.items():
            self.scalars[name] = self.scalars.get(name, 0) + sign * amount
        for port in pod.ports:
            count = self.ports.get(port, 0) + sign
            if count:
                self.ports[port] = count
            else:
                self.ports.pop(port, None)

    @property
    def zone(self) -> str:
        """Region and zone as one name; empty when the node has no zone."""
        zone, region = self.labels.get(ZONE_LABEL, ""), self.labels.get(REGION_LABEL, "")
        return f"{region}:{zone}" if zone or region else ""

    def __repr__(self) -> str:
        return f"NodeInfo({self.name}, {len(self.pods)} pods)"
