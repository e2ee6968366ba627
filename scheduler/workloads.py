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

_KEPT = 1024


class Workloads(Protocol):
    def selector_of(self, pod: PodInfo) -> Selector | None:
        """What selects the pods that belong together with this one; None when nothing does."""
        ...


class KnownWorkloads:
    """Services and the selectors of ReplicaSets and their like, as the informers show them."""

    def __init__(self) -> None:
        self._services: dict[str, dict[str, Mapping[str, str]]] = {}
        self._owners: dict[str, Selector] = {}
        self._answers: dict[tuple[str, str, frozenset[tuple[str, str]]], Selector | None] = {}

    def set_service(self, service: Service) -> None:
        meta = service.metadata
        known = self._services.setdefault(meta.namespace, {})
        if known.get(meta.name) != service.spec.selector:
            known[meta.name] = service.spec.selector
            self._answers.clear()

    def remove_service(self, namespace: str, name: str) -> None:
        if self._services.get(namespace, {}).pop(name, None) is not None:
            self._answers.clear()

    def set_owner(self, uid: str, selector: LabelSelector | None) -> None:
        """A ReplicaSet or StatefulSet."""
        compiled = compile_selector(selector)
        if self._owners.get(uid) != compiled:
            self._owners[uid] = compiled
            self._answers.clear()

    def remove_owner(self, uid: str) -> None:
        if self._owners.pop(uid, None) is not None:
            self._answers.clear()

    def selector_of(self, pod: PodInfo) -> Selector | None:
        """The pods of a workload get the same answer, which is worked out once."""
        question = pod.namespace, pod.owner, frozenset(pod.labels.items())
        if question not in self._answers:
            if len(self._answers) >= _KEPT:
                self._answers.clear()
            self._answers[question] = self._selector_of(pod)
        return self._answers[question]

    def _selector_of(self, pod: PodInfo) -> Selector | None:
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
