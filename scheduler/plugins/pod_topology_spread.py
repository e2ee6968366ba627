"""PodTopologySpread: spread alike pods over zones, hosts or any other label
(https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/, KEP-895, KEP-3022,
KEP-3094, KEP-3243)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from api.core_v1 import TopologySpreadConstraint
from scheduler.cache import Cache
from scheduler.cluster_event import NODE, Change, ClusterEvent
from scheduler.framework import MAX_SCORE, SKIP, CycleState, Status, unresolvable, unschedulable
from scheduler.match_counts import DomainCounts, Question
from scheduler.node_info import HOSTNAME_LABEL, ZONE_LABEL, NodeInfo
from scheduler.plugins.node_affinity import required_node_affinity
from scheduler.plugins.taint_toleration import all_tolerated
from scheduler.pod_info import PodInfo, with_label_keys
from scheduler.selectors import Selector, compile_selector
from scheduler.workloads import Workloads

_NO_LABEL = unresolvable("node(s) didn't match pod topology spread constraints (missing required label)")
_SKEWED = unschedulable("node(s) didn't match pod topology spread constraints")

_BUILT_IN = ((HOSTNAME_LABEL, 3), (ZONE_LABEL, 5))
"""Label and skew of the constraints that pods of services and workloads have by default."""


@dataclass(frozen=True, slots=True)
class Constraint:
    key: str
    max_skew: int
    selector: Selector
    min_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A hard constraint made ready for filtering: how many may be in a domain before this pod comes."""

    key: str
    counts: dict[str, int]
    most: int

    @property
    def is_open(self) -> bool:
        """Whether every domain takes one more."""
        return self.most >= max(self.counts.values(), default=0)


class PodTopologySpread:
    name = "PodTopologySpread"

    def __init__(
        self, cache: Cache, workloads: Workloads, defaults: Sequence[TopologySpreadConstraint] | None = None
    ) -> None:
        """`defaults` are for pods without constraints that a service or workload selects; None: the built-in ones."""
        self._cache = cache
        self._workloads = workloads
        self._defaults = defaults

    # --- hard constraints -----------------------------------------------------------------------------

    def pre_filter(self, state: CycleState, pod: PodInfo) -> Status | None:
        hard = self._constraints(pod, "DoNotSchedule")
        if not hard:
            return SKIP
        keys = [c.key for c in hard]
        rules = []
        for constraint in hard:
            counts, domains = self._count(pod, constraint, keys)
            fewest = 0
            if domains >= constraint.min_domains and len(counts) >= domains:
                fewest = min(counts.values(), default=0)
            itself = constraint.selector.matches(pod.labels)
            rules.append(Rule(constraint.key, counts, constraint.max_skew + fewest - itself))
        if all(self._cache.labelled(rule.key) and rule.is_open for rule in rules):
            return SKIP  # no node is out of the question, so none needs looking at
        state[self.name] = rules
        return None

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        rules: list[Rule] = state[self.name]
        for rule in rules:
            domain = node.labels.get(rule.key)
            if domain is None:
                return _NO_LABEL
            if rule.counts.get(domain, 0) > rule.most:
                return _SKEWED
        return None

    def _count(self, pod: PodInfo, constraint: Constraint, keys: Sequence[str]) -> tuple[dict[str, int], int]:
        """Matching pods by domain, domains without any left out, and the number of domains that count."""
        cache = self._cache
        answer = self._answer(pod, constraint)
        eligible = self._eligibility(pod, constraint)
        if eligible is None and all(cache.labelled(key) for key in keys):
            return answer.by_domain(constraint.key, cache.nodes), len(cache.domains(constraint.key))
        counts: dict[str, int] = {}
        domains = set()
        for node in cache.ordered:
            if (eligible is not None and not eligible(node)) or any(key not in node.labels for key in keys):
                continue
            domain = node.labels[constraint.key]
            domains.add(domain)
            if (count := answer.by_node.get(node.name, 0)) > 0:
                counts[domain] = counts.get(domain, 0) + count
        return counts, len(domains)

    def _answer(self, pod: PodInfo, constraint: Constraint) -> DomainCounts:
        question = Question(constraint.selector, frozenset((pod.namespace,)), terminating=False)
        return self._cache.matches.ask(question)

    def _eligibility(self, pod: PodInfo, constraint: Constraint) -> Callable[[NodeInfo], bool] | None:
        """Whether a node counts at all under the node inclusion policies; None when every node does."""
        required = required_node_affinity(pod.pod) if constraint.honor_affinity else None
        taints = constraint.honor_taints and self._cache.tainted
        if required is None and not taints:
            return None
        tolerations = pod.pod.spec.tolerations

        def eligible(node: NodeInfo) -> bool:
            return (required is None or required(node.name, node.labels)) and (
                not taints or all_tolerated(node.hard_taints, tolerations)
            )

        return eligible

    # --- soft constraints -----------------------------------------------------------------------------

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        soft = self._constraints(pod, "ScheduleAnyway")
        if not soft:
            return SKIP
        built_in = self._defaults is None and not pod.pod.spec.topologySpreadConstraints
        state[f"{self.name}/score"] = soft, not built_in
        return None

    def score_all(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """Fewer matching pods in the node's domains are better; rarer domains weigh less."""
        constraints, require_all = state[f"{self.name}/score"]
        keys = [c.key for c in constraints]
        whole = all(self._cache.labelled(key) for key in keys)
        left_out: set[int] = set()
        if require_all and not whole:
            left_out = {i for i, node in enumerate(nodes) if any(key not in node.labels for key in keys)}
        total = [0.0] * len(nodes)
        for constraint in constraints:
            key = constraint.key
            if key == HOSTNAME_LABEL:
                weight = math.log(len(nodes) - len(left_out) + 2)
                by_node = self._answer(pod, constraint).by_node
                here = [by_node.get(node.name, 0) if key in node.labels else None for node in nodes]
            else:
                domains = {node.labels.get(key, "") for i, node in enumerate(nodes) if i not in left_out}
                weight = math.log(len(domains) + 2)
                counts, _ = self._count(pod, constraint, keys if require_all else [key])
                here = [
                    counts.get(domain, 0) if (domain := node.labels.get(key)) is not None else None for node in nodes
                ]
            base = constraint.max_skew - 1
            total = [t + c * weight + base if c is not None else t for t, c in zip(total, here, strict=True)]
        return _inverted([math.floor(t + 0.5) for t in total], left_out)

    def _constraints(self, pod: PodInfo, when: str) -> list[Constraint]:
        """The pod's own constraints of one kind ("DoNotSchedule", "ScheduleAnyway"), else the default ones."""
        own = pod.pod.spec.topologySpreadConstraints
        if own:
            return [_constraint(c, pod) for c in own if c.whenUnsatisfiable == when]
        if self._defaults is None:
            selector = self._workloads.selector_of(pod) if when == "ScheduleAnyway" else None
            return [] if selector is None else [Constraint(key, skew, selector) for key, skew in _BUILT_IN]
        defaults = [c for c in self._defaults if c.whenUnsatisfiable == when]
        selector = self._workloads.selector_of(pod) if defaults else None
        return [] if selector is None else [replace(_constraint(c, pod), selector=selector) for c in defaults]

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        if event.change & NODE or event.change & Change.NODE_REMOVED:
            return True
        if event.pod is None or not event.change & (Change.POD_ASSIGNED | Change.POD_DELETED | Change.POD_LABELS):
            return False
        other = event.pod.metadata
        return other.namespace == pod.namespace and (
            bool(event.change & Change.POD_LABELS)
            or any(c.selector.matches(other.labels) for c in self._constraints(pod, "DoNotSchedule"))
        )


def _constraint(declared: TopologySpreadConstraint, pod: PodInfo) -> Constraint:
    selector = compile_selector(declared.labelSelector)
    return Constraint(
        key=declared.topologyKey,
        max_skew=declared.maxSkew,
        selector=with_label_keys(selector, pod.labels, declared.matchLabelKeys, []),
        min_domains=declared.minDomains or 1,
        honor_affinity=declared.nodeAffinityPolicy != "Ignore",
        honor_taints=declared.nodeTaintsPolicy == "Honor",
    )


def _inverted(raw: list[int], left_out: set[int]) -> list[int]:
    """Turn "more pods" into "less good"; nodes outside every domain get 0."""
    counted = [score for i, score in enumerate(raw) if i not in left_out] if left_out else raw
    highest, lowest = max(counted, default=0), min(counted, default=0)
    if highest == 0:
        scores = [MAX_SCORE] * len(raw)
    else:
        scores = [MAX_SCORE * (highest + lowest - score) // highest for score in raw]
    for i in left_out:
        scores[i] = 0
    return scores
