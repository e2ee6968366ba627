"""A scheduler plugin: pods that say which rack they like get a node there if there is one, and never a broken node.

    python -m scheduler --kubeconfig … --plugin examples.scheduler_plugin:Racks

or, with a KubeSchedulerConfiguration (`--config`) that enables it and gives it arguments:

    apiVersion: kubescheduler.config.k8s.io/v1
    kind: KubeSchedulerConfiguration
    profiles:
      - schedulerName: rack-aware
        plugins:
          multiPoint:
            enabled: [{name: Racks, weight: 5}]
        pluginConfig:
          - name: Racks
            args: {label: example.com/rack}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduler.cluster_event import Change, ClusterEvent
from scheduler.framework import CycleState, Status, unresolvable
from scheduler.handle import Handle
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo


class Racks:
    name = "Racks"

    def __init__(self, args: Mapping[str, Any], handle: Handle) -> None:
        self.label = args.get("label", "rack")

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        return unresolvable("node(s) were broken") if node.labels.get("broken") == "true" else None

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        liked = pod.pod.metadata.annotations.get(self.label)
        return 100 if liked is not None and node.labels.get(self.label) == liked else 0

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        return bool(event.change & (Change.NODE_ADDED | Change.NODE_LABELS))
