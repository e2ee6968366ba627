"""The built-in plugins and the profile they make up, with Kubernetes' order and weights."""

from __future__ import annotations

from scheduler.cache import Cache
from scheduler.framework import Plugin, Weighted
from scheduler.plugins.balanced_allocation import BalancedAllocation
from scheduler.plugins.image_locality import ImageLocality
from scheduler.plugins.inter_pod_affinity import InterPodAffinity
from scheduler.plugins.node_affinity import NodeAffinity
from scheduler.plugins.node_name import NodeName
from scheduler.plugins.node_ports import NodePorts
from scheduler.plugins.node_resources_fit import NodeResourcesFit
from scheduler.plugins.node_unschedulable import NodeUnschedulable
from scheduler.plugins.pod_topology_spread import PodTopologySpread
from scheduler.plugins.scheduling_gates import SchedulingGates
from scheduler.plugins.taint_toleration import TaintToleration
from scheduler.workloads import Workloads


def default_plugins(cache: Cache, workloads: Workloads) -> list[Weighted]:
    """What Kubernetes enables by default, in its order; the first filter that objects gives the reason."""
    return [
        Weighted(SchedulingGates()),
        Weighted(NodeUnschedulable(cache)),
        Weighted(NodeName()),
        Weighted(TaintToleration(cache), 3),
        Weighted(NodeAffinity(), 2),
        Weighted(NodePorts()),
        Weighted(NodeResourcesFit(), 1),
        Weighted(PodTopologySpread(cache, workloads), 2),
        Weighted(InterPodAffinity(cache), 2),
        Weighted(BalancedAllocation(), 1),
        Weighted(ImageLocality(cache), 1),
    ]


__all__ = ["Plugin", "default_plugins"]
