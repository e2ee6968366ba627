"""A pod with everything the scheduler asks about it worked out once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from api.core_v1 import Pod, PodAffinityTerm, Volume
from api.resources import names_devices
from scheduler.resources import (
    CPU,
    DEFAULT_MEMORY,
    DEFAULT_MILLI_CPU,
    EPHEMERAL_STORAGE,
    MEMORY,
    pod_requests,
)
from scheduler.selectors import NOTHING, Requirement, Selector, compile_selector

Port = tuple[str, str, int]
"""Host address ("0.0.0.0" for all), protocol, port."""

_SCORE_DEFAULTS = {CPU: DEFAULT_MILLI_CPU, MEMORY: DEFAULT_MEMORY}


@dataclass(frozen=True, slots=True)
class AffinityTerm:
    """A pod (anti-)affinity term.  Equal terms of different pods are equal.

    `namespaces` are the named ones (the pod's own when neither names nor a selector were given);
    `namespace_selector` adds those whose labels match.
    """

    namespaces: frozenset[str]
    namespace_selector: Selector
    selector: Selector
    topology_key: str

    def selects(self, pod: PodInfo, namespace_labels: dict[str, str]) -> bool:
        """Whether the term is about this pod, whose namespace carries these labels."""
        return (
            pod.namespace in self.namespaces or self.namespace_selector.matches(namespace_labels)
        ) and self.selector.matches(pod.labels)


@dataclass(frozen=True, slots=True)
class WeightedTerm:
    term: AffinityTerm
    weight: int


class PodInfo:
    """Precomputed facts of one pod.  `pod` is shared with the informer's store: never change it.

    `node_name` is where the pod is bound or assumed to be; empty while it waits.
    """

    __slots__ = (
        "_signature",
        "affinity",
        "anti_affinity",
        "claims",
        "cpu",
        "device_backed",
        "disks",
        "ephemeral",
        "key",
        "labels",
        "memory",
        "name",
        "namespace",
        "node_name",
        "nominated_node",
        "owner",
        "pod",
        "ports",
        "preferred_affinity",
        "preferred_anti_affinity",
        "priority",
        "requests",
        "scalars",
        "score_cpu",
        "score_memory",
        "terminating",
        "uid",
        "wants_devices",
    )

    def __init__(self, pod: Pod, node_name: str | None = None) -> None:
        meta, spec = pod.metadata, pod.spec
        self.pod = pod
        self.uid = meta.uid
        self.name = meta.name
        self.namespace = meta.namespace
        self.key = f"{meta.namespace}/{meta.name}"
        self.labels = meta.labels
        self.priority = spec.priority or 0
        self.node_name = spec.nodeName if node_name is None else node_name
        self.nominated_node = pod.status.nominatedNodeName
        self.terminating = meta.deletionTimestamp is not None
        self.owner = next((o.uid for o in meta.ownerReferences if o.controller), "")

        self.requests = pod_requests(pod)
        self.cpu = self.requests.get(CPU, 0)
        self.memory = self.requests.get(MEMORY, 0)
        self.ephemeral = self.requests.get(EPHEMERAL_STORAGE, 0)
        self.scalars = {n: a for n, a in self.requests.items() if n not in (CPU, MEMORY, EPHEMERAL_STORAGE) and a > 0}
        if all(CPU in c.resources.requests and MEMORY in c.resources.requests for c in spec.containers) and (
            not spec.initContainers
        ):
            self.score_cpu, self.score_memory = self.cpu, self.memory
        else:
            counted = pod_requests(pod, defaults=_SCORE_DEFAULTS)
            self.score_cpu, self.score_memory = counted[CPU], counted[MEMORY]

        self.wants_devices = bool(spec.resourceClaims) or any(map(names_devices, self.scalars))
        """Whether it names ResourceClaims, or extended resources that may stand for devices."""
        self.device_backed: frozenset[str] = frozenset()
        """The extended resources that do."""
        self._signature: Hashable = None
        self.ports: tuple[Port, ...] = host_ports(pod)
        self.claims: tuple[str, ...] = ()
        """Keys (namespace/name) of the PersistentVolumeClaims it mounts."""
        self.disks: tuple[Volume, ...] = ()
        """Volumes in the pod itself that one node's pods cannot share freely."""
        for volume in spec.volumes:
            if (claim := claim_name(pod, volume)) is not None:
                self.claims = (*self.claims, f"{meta.namespace}/{claim}")
            elif volume.gcePersistentDisk or volume.awsElasticBlockStore or volume.iscsi or volume.rbd:
                self.disks = (*self.disks, volume)
        self.affinity: tuple[AffinityTerm, ...] = ()
        self.anti_affinity: tuple[AffinityTerm, ...] = ()
        self.preferred_affinity: tuple[WeightedTerm, ...] = ()
        self.preferred_anti_affinity: tuple[WeightedTerm, ...] = ()
        if spec.affinity is not None:
            self._read_affinity(pod)

    def _read_affinity(self, pod: Pod) -> None:
        affinity = pod.spec.affinity
        assert affinity is not None
        if (near := affinity.podAffinity) is not None:
            self.affinity = tuple(_term(pod, t) for t in near.requiredDuringSchedulingIgnoredDuringExecution)
            self.preferred_affinity = tuple(
                WeightedTerm(_term(pod, w.podAffinityTerm), w.weight)
                for w in near.preferredDuringSchedulingIgnoredDuringExecution
            )
        if (away := affinity.podAntiAffinity) is not None:
            self.anti_affinity = tuple(_term(pod, t) for t in away.requiredDuringSchedulingIgnoredDuringExecution)
            self.preferred_anti_affinity = tuple(
                WeightedTerm(_term(pod, w.podAffinityTerm), w.weight)
                for w in away.preferredDuringSchedulingIgnoredDuringExecution
            )

    def stand_for_devices(self, resources: Iterable[str]) -> None:
        """These of the extended resources stand for devices (KEP-5004)."""
        self.device_backed = frozenset(resources)
        self._signature = None

    @property
    def signature(self) -> Hashable:
        """All that the pod asks of a node by itself; pods with equal signatures get equal answers there."""
        if self._signature is None:
            spec = self.pod.spec
            affinity = spec.affinity.nodeAffinity if spec.affinity is not None else None
            self._signature = (
                tuple(sorted(self.requests.items())),
                self.device_backed,
                self.score_cpu,
                self.score_memory,
                self.ports,
                self.pod.spec.nodeName,
                tuple(sorted(spec.nodeSelector.items())),
                tuple((t.key, t.operator, t.value, t.effect) for t in spec.tolerations),
                affinity.encode() if affinity is not None else b"",
            )
        return self._signature

    def counts_like(self, pod: Pod) -> bool:
        """Whether a newer version of the pod counts the same, as after a change of its status only."""
        meta, old = pod.metadata, self.pod
        return (
            self.node_name == pod.spec.nodeName
            and self.labels == meta.labels
            and self.terminating == (meta.deletionTimestamp is not None)
            and (0 < meta.generation == old.metadata.generation or old.spec is pod.spec or _same_but_for_node(old, pod))
            and ((not _resized(old) and not _resized(pod)) or self._asks_like(PodInfo(pod)))
        )

    def _asks_like(self, other: PodInfo) -> bool:
        return (self.requests, self.score_cpu, self.score_memory) == (
            other.requests,
            other.score_cpu,
            other.score_memory,
        )

    @property
    def has_affinity(self) -> bool:
        """Whether the pod has any pod (anti-)affinity term, required or preferred."""
        return bool(self.affinity or self.anti_affinity or self.preferred_affinity or self.preferred_anti_affinity)

    def __repr__(self) -> str:
        return f"PodInfo({self.key} on {self.node_name or '-'})"


def _same_but_for_node(old: Pod, new: Pod) -> bool:
    return old.spec == new.spec or old.spec.model_copy(update={"nodeName": new.spec.nodeName}) == new.spec


def _resized(pod: Pod) -> bool:
    return any(
        s.allocatedResources or s.resources is not None
        for s in (*pod.status.containerStatuses, *pod.status.initContainerStatuses)
    )


def host_ports(pod: Pod) -> tuple[Port, ...]:
    """The ports the pod takes on its node itself; sidecars count, other init containers do not."""
    containers = [*pod.spec.containers, *(c for c in pod.spec.initContainers if c.restartPolicy == "Always")]
    return tuple(
        (port.hostIP or "0.0.0.0", port.protocol or "TCP", port.hostPort)
        for container in containers
        for port in container.ports
        if port.hostPort > 0
    )


def claim_name(pod: Pod, volume: Volume) -> str | None:
    """The PersistentVolumeClaim behind a volume; one made for the pod alone is named after both."""
    if volume.persistentVolumeClaim is not None:
        return volume.persistentVolumeClaim.claimName
    return f"{pod.metadata.name}-{volume.name}" if volume.ephemeral is not None else None


def with_label_keys(selector: Selector, labels: dict[str, str], same: list[str], different: list[str]) -> Selector:
    """A selector narrowed to pods with the same (or different) values of these label keys (KEP-3243, KEP-3633).

    Keys that the pod itself does not carry are passed over, as is everything when the selector is unset.
    """
    if selector is NOTHING or not (same or different):
        return selector
    extra: list[Requirement] = [(key, "In", frozenset((labels[key],))) for key in same if key in labels]
    extra += [(key, "NotIn", frozenset((labels[key],))) for key in different if key in labels]
    return selector.and_also(extra) if extra else selector


def _term(pod: Pod, term: PodAffinityTerm) -> AffinityTerm:
    namespaces = frozenset(term.namespaces)
    if not namespaces and term.namespaceSelector is None:
        namespaces = frozenset((pod.metadata.namespace,))
    selector = compile_selector(term.labelSelector)
    return AffinityTerm(
        namespaces=namespaces,
        namespace_selector=compile_selector(term.namespaceSelector),
        selector=with_label_keys(selector, pod.metadata.labels, term.matchLabelKeys, term.mismatchLabelKeys),
        topology_key=term.topologyKey,
    )
