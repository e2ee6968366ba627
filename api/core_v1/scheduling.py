"""Where a pod may run: node selectors, affinity, tolerations, spread."""

from typing import Annotated

from api.meta_v1 import LabelSelector
from api.model import Enum, Int32, Int64, Model, Required, Time, atomic, struct


class NodeSelectorRequirement(Model):
    """One condition on a node's label or field.

    key: The label or field.
    operator: How the values are meant: In, NotIn, Exists, DoesNotExist, Gt or Lt.
    values: The values; one number for Gt and Lt.
    """

    key: str
    operator: Annotated[str, Enum("DoesNotExist", "Exists", "Gt", "In", "Lt", "NotIn")]
    values: list[str] = []


@atomic
class NodeSelectorTerm(Model):
    """Conditions on a node, all of which must hold; an empty term selects nothing.

    matchExpressions: Conditions on labels.
    matchFields: Conditions on fields; metadata.name is the only one.
    """

    matchExpressions: list[NodeSelectorRequirement] = []
    matchFields: list[NodeSelectorRequirement] = []


@atomic
class NodeSelector(Model):
    """Selects nodes.

    nodeSelectorTerms: One of them must hold.
    """

    nodeSelectorTerms: list[NodeSelectorTerm]


class PreferredSchedulingTerm(Model):
    """A wish about the node.

    preference: What is wished for.
    weight: How much it counts, from 1 to 100.
    """

    preference: Annotated[NodeSelectorTerm, Required()] = struct()
    weight: Int32


class NodeAffinity(Model):
    """Which nodes a pod wants.

    preferredDuringSchedulingIgnoredDuringExecution: Wishes, the more fulfilled the better.
    requiredDuringSchedulingIgnoredDuringExecution: What the node must be.
    """

    preferredDuringSchedulingIgnoredDuringExecution: list[PreferredSchedulingTerm] = []
    requiredDuringSchedulingIgnoredDuringExecution: NodeSelector | None = None


class PodAffinityTerm(Model):
    """Pods that share a place with this one, or must not.

    labelSelector: Selects the pods; none when unset.
    matchLabelKeys: Labels for which the pods must have this pod's own values.
    mismatchLabelKeys: Labels for which the pods must not have this pod's own values.
    namespaceSelector: Selects namespaces to look in, besides those listed.
    namespaces: Namespaces to look in; the pod's own when neither is given.
    topologyKey: The label of nodes that says what one place is.
    """

    labelSelector: LabelSelector | None = None
    matchLabelKeys: list[str] = []
    mismatchLabelKeys: list[str] = []
    namespaceSelector: LabelSelector | None = None
    namespaces: list[str] = []
    topologyKey: str


class WeightedPodAffinityTerm(Model):
    """A wish about neighbours.

    podAffinityTerm: The neighbours.
    weight: How much it counts, from 1 to 100.
    """

    podAffinityTerm: Annotated[PodAffinityTerm, Required()] = struct()
    weight: Int32


class PodAffinity(Model):
    """Which pods a pod wants to be near.

    preferredDuringSchedulingIgnoredDuringExecution: Wishes, the more fulfilled the better.
    requiredDuringSchedulingIgnoredDuringExecution: Pods that must be near.
    """

    preferredDuringSchedulingIgnoredDuringExecution: list[WeightedPodAffinityTerm] = []
    requiredDuringSchedulingIgnoredDuringExecution: list[PodAffinityTerm] = []


class PodAntiAffinity(Model):
    """Which pods a pod wants to be away from.

    preferredDuringSchedulingIgnoredDuringExecution: Wishes, the more fulfilled the better.
    requiredDuringSchedulingIgnoredDuringExecution: Pods that must not be near.
    """

    preferredDuringSchedulingIgnoredDuringExecution: list[WeightedPodAffinityTerm] = []
    requiredDuringSchedulingIgnoredDuringExecution: list[PodAffinityTerm] = []


class Affinity(Model):
    """Which nodes and neighbours a pod wants.

    nodeAffinity: Which nodes.
    podAffinity: Which pods to be near.
    podAntiAffinity: Which pods to be away from.
    """

    nodeAffinity: NodeAffinity | None = None
    podAffinity: PodAffinity | None = None
    podAntiAffinity: PodAntiAffinity | None = None


class Toleration(Model):
    """A taint that does not keep a pod away.

    effect: The taint's effect; every effect when empty.
    key: The taint's key; every key when empty, with Exists.
    operator: How the value is compared: Equal when unset, Exists, Lt or Gt.
    tolerationSeconds: Seconds the pod stays on a node that gets such a NoExecute taint; for ever when unset.
    value: The taint's value.
    """

    effect: Annotated[str, Enum("NoExecute", "NoSchedule", "PreferNoSchedule")] = ""
    key: str = ""
    operator: Annotated[str, Enum("Equal", "Exists", "Gt", "Lt")] = ""
    tolerationSeconds: Int64 | None = None
    value: str = ""


class Taint(Model):
    """Keeps pods away from a node that do not tolerate it.

    effect: NoSchedule, PreferNoSchedule or NoExecute, which also evicts.
    key: The taint's key.
    timeAdded: When it was put there.
    value: The taint's value.
    """

    effect: Annotated[str, Enum("NoExecute", "NoSchedule", "PreferNoSchedule")]
    key: str
    timeAdded: Time | None = None
    value: str = ""


class TopologySpreadConstraint(Model):
    """How evenly the pods of a group are to be spread over places.

    labelSelector: Selects the group's pods.
    matchLabelKeys: Labels for which the group's pods must have this pod's own values.
    maxSkew: How many pods more than the emptiest place one may have.
    minDomains: How many places there must be for the emptiest to count.
    nodeAffinityPolicy: Whether nodes the pod cannot go to for its affinity count: Honor or Ignore.
    nodeTaintsPolicy: Whether nodes the pod cannot go to for their taints count: Honor or Ignore.
    topologyKey: The label of nodes that says what one place is.
    whenUnsatisfiable: DoNotSchedule, or ScheduleAnyway as evenly as can be.
    """

    labelSelector: LabelSelector | None = None
    matchLabelKeys: list[str] = []
    maxSkew: Int32
    minDomains: Int32 | None = None
    nodeAffinityPolicy: Annotated[str | None, Enum("Honor", "Ignore")] = None
    nodeTaintsPolicy: Annotated[str | None, Enum("Honor", "Ignore")] = None
    topologyKey: str
    whenUnsatisfiable: Annotated[str, Enum("DoNotSchedule", "ScheduleAnyway")]


class PodSchedulingGate(Model):
    """Holds a pod back from scheduling.

    name: The gate's name.
    """

    name: str


class TopologySelectorLabelRequirement(Model):
    """A topology label with its allowed values.

    key: The label's key.
    values: The allowed values.
    """

    key: str
    values: list[str]


@atomic
class TopologySelectorTerm(Model):
    """A place in the topology, by labels that all must match.

    matchLabelExpressions: The labels.
    """

    matchLabelExpressions: list[TopologySelectorLabelRequirement] = []
