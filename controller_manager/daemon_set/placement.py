"""On which nodes a DaemonSet's pods run, and how a pod is tied to one.  Pure functions.

https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/#how-daemon-pods-are-scheduled
"""

from __future__ import annotations

from enum import Enum, auto

from api.apps_v1 import DaemonSet
from api.core_v1 import (
    Affinity,
    Node,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Pod,
    PodSpec,
    PodTemplateSpec,
    Toleration,
)
from api.selectors import Requirement
from controller_manager.node_lifecycle.taints import tolerates
from controller_manager.pod_template import pod_from_template
from controller_manager.revision_history import REVISION_LABEL

GENERATION = "deprecated.daemonset.template.generation"
GENERATION_LABEL = "pod-template-generation"
_NODE_NAME = "metadata.name"
_PREFIX = "node.kubernetes.io/"
_TOLERATED = (
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)
_TOLERATED_ON_THE_HOST_NETWORK = (("network-unavailable", "NoSchedule"),)
_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!", "Gt": "gt", "Lt": "lt"}


class Placement(Enum):
    RUNS = auto()
    MAY_STAY = auto()
    """No pod is made there, but one that runs is let be: the node has got a NoSchedule taint meanwhile."""
    NOT_THERE = auto()


def placement(daemon_set: DaemonSet, node: Node) -> Placement:
    spec = daemon_set.spec.template.spec
    if spec.nodeName not in ("", node.metadata.name) or not _fits(spec, node):
        return Placement.NOT_THERE
    if not node.spec.taints:
        return Placement.RUNS
    tolerations = with_tolerations(spec)
    refused = {
        taint.effect
        for taint in node.spec.taints
        if not any(tolerates(toleration, taint) for toleration in tolerations)
    }
    if "NoExecute" in refused:
        return Placement.NOT_THERE
    return Placement.MAY_STAY if "NoSchedule" in refused else Placement.RUNS


def _fits(spec: PodSpec, node: Node) -> bool:
    """What nodeSelector and the required node affinity ask for."""
    labels = node.metadata.labels
    if any(labels.get(key) != value for key, value in spec.nodeSelector.items()):
        return False
    affinity = spec.affinity.nodeAffinity if spec.affinity is not None else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity is not None else None
    return required is None or any(_holds(term, node) for term in required.nodeSelectorTerms)


def _holds(term: NodeSelectorTerm, node: Node) -> bool:
    """A term that asks for nothing holds nowhere."""
    fields = {_NODE_NAME: node.metadata.name}
    asked = [(r, node.metadata.labels) for r in term.matchExpressions] + [(r, fields) for r in term.matchFields]
    return bool(asked) and all(
        Requirement(r.key, _OPERATORS[r.operator], tuple(r.values)).matches(values) for r, values in asked
    )


def with_tolerations(spec: PodSpec) -> list[Toleration]:
    """The template's tolerations and those that every daemon pod has: it stays when a node is unwell."""
    keys = _TOLERATED + (_TOLERATED_ON_THE_HOST_NETWORK if spec.hostNetwork else ())
    result = [*spec.tolerations]
    for key, effect in keys:
        added = Toleration(key=_PREFIX + key, operator="Exists", effect=effect)
        places = [i for i, t in enumerate(result) if _identity(t) == _identity(added)]
        if places:
            result[places[0]] = added
        else:
            result.append(added)
    return result


def _identity(toleration: Toleration) -> tuple[str, str, str, str]:
    return toleration.key, toleration.operator, toleration.value, toleration.effect


def daemon_template(daemon_set: DaemonSet, revision: str) -> PodTemplateSpec:
    """The template of daemon pods of this revision (its hash), before they are tied to a node."""
    template = daemon_set.spec.template.copy_deep()
    template.spec.tolerations = with_tolerations(template.spec)
    generation = daemon_set.metadata.annotations.get(GENERATION)
    if generation is not None:
        template.metadata.labels[GENERATION_LABEL] = generation
    template.metadata.labels[REVISION_LABEL] = revision
    return template


def daemon_pod(daemon_set: DaemonSet, template: PodTemplateSpec, node: str) -> Pod:
    """A pod that only this node can run.  What the affinity asked for before is settled, and left out."""
    pod = pod_from_template(template, daemon_set)
    named = NodeSelectorRequirement(key=_NODE_NAME, operator="In", values=[node])
    selector = NodeSelector(nodeSelectorTerms=[NodeSelectorTerm(matchFields=[named])])
    affinity = pod.spec.affinity or Affinity()
    of_nodes = affinity.nodeAffinity or NodeAffinity()
    of_nodes = of_nodes.model_copy(update={"requiredDuringSchedulingIgnoredDuringExecution": selector})
    pod.spec.affinity = affinity.model_copy(update={"nodeAffinity": of_nodes})
    return pod


def target_node(pod: Pod) -> str:
    """The node a daemon pod is on, or is meant for; empty when nothing says."""
    if pod.spec.nodeName:
        return pod.spec.nodeName
    affinity = pod.spec.affinity.nodeAffinity if pod.spec.affinity is not None else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity is not None else None
    for term in required.nodeSelectorTerms if required is not None else ():
        for field in term.matchFields:
            if field.key == _NODE_NAME and field.operator == "In" and len(field.values) == 1:
                return field.values[0]
    return ""
