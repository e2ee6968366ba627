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
        return self.filter_all(state, pod, [node])[0]

    def filter_all(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[Status | None]:
        rules: list[Rule] = state[self.name]
        found: list[Status | None] = [None] * len(nodes)
        for rule in rules:
            closed: dict[str | None, Status] = {domain: _SKEWED for domain, n in rule.counts.items() if n > rule.most}
            closed[None] = _NO_LABEL
            said = [closed.get(node.labels.get(rule.key)) for node in nodes]
            if any(said):
                found = [first or then for first, then in zip(found, said, strict=True)]
        return found

    def _count(self, pod: PodInfo, constraint: Constraint, keys: Sequence[str]) -> tuple[dict[str, int], int]:
        """Matching pods by domain, domains without any left out, and the number of domains that count."""
        cache = self._cache
        answer = self._answer(pod, constraint)
        eligible = self._eligibility(pod, constraint)
        if eligible is None and all(key == constraint.key or cache.labelled(key) for key in keys):
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
        left_out: set[int] = set()
        if require_all and not all(self._cache.labelled(key) for key in keys):
            left_out = {i for i, node in enumerate(nodes) if any(key not in node.labels for key in keys)}
        columns: list[list[int | None]] = []
        terms: list[tuple[float, int]] = []
        for constraint in constraints:
            key = constraint.key
            if not self._cache.domains(key):
                continue  # nothing is told apart by it
            domains = [node.labels.get(key) for node in nodes]
            if key == HOSTNAME_LABEL:
                weight = math.log(len(nodes) - len(left_out) + 2)
                by_node = self._answer(pod, constraint).by_node
                here = [None if d is None else by_node.get(n.name, 0) for d, n in zip(domains, nodes, strict=True)]
            else:
                different = {domain or "" for i, domain in enumerate(domains) if i not in left_out}
                weight = math.log(len(different) + 2)
                counts, _ = self._count(pod, constraint, keys if require_all else [key])
                here = [None if domain is None else counts.get(domain, 0) for domain in domains]
            columns.append(here)
            terms.append((weight, constraint.max_skew - 1))
        return _scores([*zip(*columns, strict=True)] or [()] * len(nodes), terms, left_out)

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


def _scores(rows: list[tuple[int | None, ...]], terms: list[tuple[float, int]], left_out: set[int]) -> list[int]:
    """From the counts in the domains that each node is in, and each constraint's weight and base, to scores: the most
    pods are least good, and nodes that are left out get 0.  Nodes with equal counts are worked out once."""

    def raw(row: tuple[int | None, ...]) -> int:
        total = 0.0
        for count, (weight, base) in zip(row, terms, strict=True):
            if count is not None:
                total = total + count * weight + base
        return math.floor(total + 0.5)

    counted = {row for i, row in enumerate(rows) if i not in left_out} if left_out else set(rows)
    found = {row: raw(row) for row in counted}
    highest, lowest = max(found.values(), default=0), min(found.values(), default=0)
    scores = {
        row: MAX_SCORE * (highest + lowest - score) // highest if highest else MAX_SCORE for row, score in found.items()
    }
    if not left_out:
        return [scores[row] for row in rows]
    return [0 if i in left_out else scores[row] for i, row in enumerate(rows)]
