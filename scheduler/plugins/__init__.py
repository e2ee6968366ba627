"""The built-in plugins by name, and those that Kubernetes enables by default, in its order and with its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scheduler.framework import Plugin
from scheduler.handle import Handle
from scheduler.plugins.balanced_allocation import BalancedAllocation
from scheduler.plugins.default_binder import DefaultBinder
from scheduler.plugins.default_preemption import DefaultPreemption
from scheduler.plugins.dynamic_resources import DynamicResources
from scheduler.plugins.image_locality import ImageLocality
from scheduler.plugins.inter_pod_affinity import InterPodAffinity
from scheduler.plugins.node_affinity import NodeAffinity
from scheduler.plugins.node_declared_features import NodeDeclaredFeatures
from scheduler.plugins.node_name import NodeName
from scheduler.plugins.node_ports import NodePorts
from scheduler.plugins.node_resources_fit import NodeResourcesFit
from scheduler.plugins.node_unschedulable import NodeUnschedulable
from scheduler.plugins.node_volume_limits import NodeVolumeLimits
from scheduler.plugins.pod_topology_spread import PodTopologySpread
from scheduler.plugins.priority_sort import PrioritySort
from scheduler.plugins.scheduling_gates import SchedulingGates
from scheduler.plugins.taint_toleration import TaintToleration
from scheduler.plugins.volume_binding import VolumeBinding
from scheduler.plugins.volume_restrictions import VolumeRestrictions
from scheduler.plugins.volume_zone import VolumeZone
from scheduler.runtime import Weighted

Factory = Callable[[Mapping[str, Any], Handle], Plugin]
"""Makes a plugin of one profile from its arguments in `pluginConfig` (an object, empty when there are none)."""

BUILT_IN: Mapping[str, Callable[..., Plugin]] = {
    "SchedulingGates": lambda handle: SchedulingGates(),
    "PrioritySort": lambda handle: PrioritySort(),
    "NodeUnschedulable": lambda handle: NodeUnschedulable(handle.cache),
    "NodeName": lambda handle: NodeName(),
    "TaintToleration": lambda handle: TaintToleration(handle.cache),
    "NodeAffinity": lambda handle, **more: NodeAffinity(**more),
    "NodePorts": lambda handle: NodePorts(),
    "NodeResourcesFit": lambda handle, **more: NodeResourcesFit(**more),
    "VolumeRestrictions": lambda handle: VolumeRestrictions(handle.cache, handle.storage),
    "NodeVolumeLimits": lambda handle: NodeVolumeLimits(handle.cache, handle.storage),
    "VolumeBinding": lambda handle, **more: VolumeBinding(handle.storage, handle.writer, **more),
    "VolumeZone": lambda handle: VolumeZone(handle.storage),
    "PodTopologySpread": lambda handle, **more: PodTopologySpread(handle.cache, handle.workloads, **more),
    "InterPodAffinity": lambda handle, **more: InterPodAffinity(handle.cache, **more),
    "DynamicResources": lambda handle, **more: DynamicResources(handle, **more),
    "DefaultPreemption": lambda handle, **more: DefaultPreemption(handle, **more),
    "NodeResourcesBalancedAllocation": lambda handle, **more: BalancedAllocation(**more),
    "ImageLocality": lambda handle: ImageLocality(handle.cache),
    "DefaultBinder": lambda handle: DefaultBinder(handle.writer.bind),
    "NodeDeclaredFeatures": lambda handle: NodeDeclaredFeatures(),
}
"""In the order they run in: the first filter that objects gives the reason.  Each is called with the handle and
with what `scheduler.plugin_args` makes of the plugin's arguments."""

WEIGHTS: Mapping[str, int] = {
    "TaintToleration": 3,
    "NodeAffinity": 2,
    "PodTopologySpread": 2,
    "InterPodAffinity": 2,
    "DynamicResources": 2,
}
"""Weights of scores other than 1."""


def default_plugins(handle: Handle) -> list[Weighted]:
    """What Kubernetes enables by default."""
    return [Weighted(make(handle), WEIGHTS.get(name, 1)) for name, make in BUILT_IN.items()]


__all__ = ["BUILT_IN", "WEIGHTS", "Factory", "Plugin", "default_plugins"]
