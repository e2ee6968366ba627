"""Where a pod may run: node selectors, affinity, tolerations, spread."""

from typing import Annotated

from api.meta_v1 import LabelSelector
from api.model import Enum, Int32, Int64, Model, Required, Time, atomic, struct


class NodeSelectorRequirement(Model):
    key: str
    operator: Annotated[str, Enum("DoesNotExist", "Exists", "Gt", "In", "Lt", "NotIn")]
    values: list[str] = []


@atomic
class NodeSelectorTerm(Model):
    matchExpressions: list[NodeSelectorRequirement] = []
    matchFields: list[NodeSelectorRequirement] = []


@atomic
class NodeSelector(Model):
    nodeSelectorTerms: list[NodeSelectorTerm]


class PreferredSchedulingTerm(Model):
    preference: Annotated[NodeSelectorTerm, Required()] = struct()
    weight: Int32


class NodeAffinity(Model):
    preferredDuringSchedulingIgnoredDuringExecution: list[PreferredSchedulingTerm] = []
    requiredDuringSchedulingIgnoredDuringExecution: NodeSelector | None = None


class PodAffinityTerm(Model):
    labelSelector: LabelSelector | None = None
    matchLabelKeys: list[str] = []
    mismatchLabelKeys: list[str] = []
    namespaceSelector: LabelSelector | None = None
    namespaces: list[str] = []
    topologyKey: str


class WeightedPodAffinityTerm(Model):
    podAffinityTerm: Annotated[PodAffinityTerm, Required()] = struct()
    weight: Int32


class PodAffinity(Model):
    preferredDuringSchedulingIgnoredDuringExecution: list[WeightedPodAffinityTerm] = []
    requiredDuringSchedulingIgnoredDuringExecution: list[PodAffinityTerm] = []


class PodAntiAffinity(Model):
    preferredDuringSchedulingIgnoredDuringExecution: list[WeightedPodAffinityTerm] = []
    requiredDuringSchedulingIgnoredDuringExecution: list[PodAffinityTerm] = []


class Affinity(Model):
    nodeAffinity: NodeAffinity | None = None
    podAffinity: PodAffinity | None = None
    podAntiAffinity: PodAntiAffinity | None = None


class Toleration(Model):
    effect: Annotated[str, Enum("NoExecute", "NoSchedule", "PreferNoSchedule")] = ""
    key: str = ""
    operator: Annotated[str, Enum("Equal", "Exists", "Gt", "Lt")] = ""
    tolerationSeconds: Int64 | None = None
    value: str = ""


class Taint(Model):
    effect: Annotated[str, Enum("NoExecute", "NoSchedule", "PreferNoSchedule")]
    key: str
    timeAdded: Time | None = None
    value: str = ""


class TopologySpreadConstraint(Model):
    labelSelector: LabelSelector | None = None
    matchLabelKeys: list[str] = []
    maxSkew: Int32
    minDomains: Int32 | None = None
    nodeAffinityPolicy: Annotated[str | None, Enum("Honor", "Ignore")] = None
    nodeTaintsPolicy: Annotated[str | None, Enum("Honor", "Ignore")] = None
    topologyKey: str
    whenUnsatisfiable: Annotated[str, Enum("DoNotSchedule", "ScheduleAnyway")]


class PodSchedulingGate(Model):
    name: str
