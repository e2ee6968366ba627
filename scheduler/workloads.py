"""Which pods belong together although they do not say so: those of a Service or of a workload.

The default spread constraints apply to such groups
(https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/#internal-default-constraints).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from api.core_v1 import Service
from api.meta_v1 import LabelSelector, ObjectMeta
from api.model import Model, struct
from scheduler.pod_info import PodInfo
from scheduler.selectors import Selector, compile_selector, from_labels


class Workloads(Protocol):
    def selector_of(self, pod: PodInfo) -> Selector | None:
        """What selects the pods that belong together with this one; None when nothing does."""
        ...


class KnownWorkloads:
    """Services and the selectors of ReplicaSets and their like, as the informers show them."""

    def __init__(self) -> None:
        self._services: dict[str, dict[str, Mapping[str, str]]] = {}
        self._owners: dict[str, Selector] = {}

    def set_service(self, service: Service) -> None:
        meta = service.metadata
        self._services.setdefault(meta.namespace, {})[meta.name] = service.spec.selector

    def remove_service(self, namespace: str, name: str) -> None:
        self._services.get(namespace, {}).pop(name, None)

    def set_owner(self, uid: str, selector: LabelSelector | None) -> None:
        """A ReplicaSet or StatefulSet."""
        self._owners[uid] = compile_selector(selector)

    def remove_owner(self, uid: str) -> None:
        self._owners.pop(uid, None)

    def selector_of(self, pod: PodInfo) -> Selector | None:
        labels: dict[str, str] = {}
        for wanted in self._services.get(pod.namespace, {}).values():
            if wanted and all(pod.labels.get(key) == value for key, value in wanted.items()):
                labels.update(wanted)
        owner = self._owners.get(pod.owner) if pod.owner else None
        if owner is None:
            return from_labels(labels) if labels else None
        return owner.and_also(from_labels(labels).requirements) if labels else owner


class OwnerSpec(Model):
    selector: LabelSelector | None = None


class Owner(Model):
    """As much as the scheduler needs of a ReplicaSet: decoding leaves the large pod template out."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: OwnerSpec = struct()
