"""InterPodAffinity: run near pods, or away from pods, that selectors name
(https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from scheduler.cache import Cache
from scheduler.cluster_event import NODE, Change, ClusterEvent
from scheduler.framework import MAX_SCORE, SKIP, CycleState, Status, unresolvable, unschedulable
from scheduler.match_counts import DomainCounts, Question
from scheduler.node_info import NodeInfo
from scheduler.pod_info import AffinityTerm, PodInfo
from scheduler.selectors import EVERYTHING, Selector

_NOT_NEAR = unresolvable("node(s) didn't match pod affinity rules")
_TOO_NEAR = unschedulable("node(s) didn't match pod anti-affinity rules")
_UNWANTED = unschedulable("node(s) didn't satisfy existing pods anti-affinity rules")

_HARD_AFFINITY_WEIGHT = 1
"""What an existing pod's required affinity to the new pod adds to the score."""

Domains = tuple[str, dict[str, int]]
"""A topology key and how many pods are in each of its domains."""


@dataclass(slots=True)
class Facts:
    near: list[Domains] = field(default_factory=list)
    first_of_its_kind: bool = False
    away: list[Domains] = field(default_factory=list)
    unwanted: list[Domains] = field(default_factory=list)


class InterPodAffinity:
    name = "InterPodAffinity"

    def __init__(
        self, cache: Cache, hard_weight: int = _HARD_AFFINITY_WEIGHT, ignore_preferred_of_existing: bool = False
    ) -> None:
        """`hard_weight` is what an existing pod's required affinity to the new pod adds to the score;
        with `ignore_preferred_of_existing` only pods with preferences of their own are scored."""
        self._cache = cache
        self._hard_weight = hard_weight
        self._ignore_preferred = ignore_preferred_of_existing

    def pre_filter(self, state: CycleState, pod: PodInfo) -> Status | None:
        cache = self._cache
        facts = Facts()
        if cache.anti_affinity.terms:
            labels = cache.namespaces.get(pod.namespace, {})
            facts.unwanted = [
                (term.topology_key, counts.by_domain(term.topology_key, cache.nodes))
                for term, counts in cache.anti_affinity.terms.items()
                if term.selects(pod, labels)
            ]
        if pod.affinity:
            answer = self._matching_all(pod.affinity)
            facts.near = [(t.topology_key, answer.by_domain(t.topology_key, cache.nodes)) for t in pod.affinity]
            # A group whose pods want to be together must be able to start somewhere.
            labels = cache.namespaces.get(pod.namespace, {})
            facts.first_of_its_kind = not any(counts for _, counts in facts.near) and all(
                term.selects(pod, labels) for term in pod.affinity
            )
        facts.away = [
            (t.topology_key, self._matching(t).by_domain(t.topology_key, cache.nodes)) for t in pod.anti_affinity
        ]
        if not (facts.near or facts.away or facts.unwanted):
            return SKIP
        state[self.name] = facts
        return None

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        facts: Facts = state[self.name]
        labels = node.labels
        for key, counts in facts.near:
            domain = labels.get(key)
            if domain is None or (domain not in counts and not facts.first_of_its_kind):
                return _NOT_NEAR
        for key, counts in facts.away:
            if labels.get(key) in counts:
                return _TOO_NEAR
        for key, counts in facts.unwanted:
            if labels.get(key) in counts:
                return _UNWANTED
        return None

    def _matching(self, term: AffinityTerm) -> DomainCounts:
        return self._cache.matches.ask(Question(term.selector, self._namespaces(term)))

    def _matching_all(self, terms: Sequence[AffinityTerm]) -> DomainCounts:
        """Pods that all of the terms are about: only such pods fulfil required affinity."""
        if len(terms) == 1:
            return self._matching(terms[0])
        namespaces: frozenset[str] | None = None
        for term in terms:
            named = self._namespaces(term)
            if named is not None:
                namespaces = named if namespaces is None else namespaces & named
        selector = Selector(
            [requirement for term in terms for requirement in term.selector.requirements],
            nothing=any(term.selector.nothing for term in terms),
        )
        return self._cache.matches.ask(Question(selector, namespaces))

    def _namespaces(self, term: AffinityTerm) -> frozenset[str] | None:
        """The namespaces a term speaks of, None for all."""
        selector = term.namespace_selector
        if selector.nothing:
            return term.namespaces
        if selector == EVERYTHING:
            return None
        chosen = (name for name, labels in self._cache.namespaces.items() if selector.matches(labels))
        return term.namespaces.union(chosen)

    # --- preferences ----------------------------------------------------------------------------------

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        if self._ignore_preferred and not (pod.preferred_affinity or pod.preferred_anti_affinity):
            return SKIP
        cache = self._cache
        wishes: list[tuple[int, Domains]] = []

        def wish(weight: int, term: AffinityTerm, counts: DomainCounts) -> None:
            domains = counts.by_domain(term.topology_key, cache.nodes)
            if domains:
                wishes.append((weight, (term.topology_key, domains)))

        for own in pod.preferred_affinity:
            wish(own.weight, own.term, self._matching(own.term))
        for own in pod.preferred_anti_affinity:
            wish(-own.weight, own.term, self._matching(own.term))
        labels = cache.namespaces.get(pod.namespace, {})
        for term, counts in cache.affinity.terms.items():
            if self._hard_weight and term.selects(pod, labels):
                wish(self._hard_weight, term, counts)
        for theirs, counts in cache.preferred_affinity.terms.items():
            if theirs.term.selects(pod, labels):
                wish(theirs.weight, theirs.term, counts)
        for theirs, counts in cache.preferred_anti_affinity.terms.items():
            if theirs.term.selects(pod, labels):
                wish(-theirs.weight, theirs.term, counts)
        if not wishes:
            return SKIP
        state[f"{self.name}/score"] = wishes
        return None

    def score_all(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """The summed weights of wishes, the pod's own and the others', stretched to 0 … 100."""
        wishes: list[tuple[int, Domains]] = state[f"{self.name}/score"]
        raw = [0] * len(nodes)
        here: dict[str, list[str | None]] = {}
        for weight, (key, counts) in wishes:
            domains = here.get(key)
            if domains is None:
                domains = here[key] = [node.labels.get(key) for node in nodes]
            found = map(counts.get, cast(list[str], domains))
            raw = [score + weight * count if count else score for score, count in zip(raw, found, strict=True)]
        lowest, highest = min(raw), max(raw)
        if lowest == highest:
            return [0] * len(nodes)
        return [MAX_SCORE * (score - lowest) // (highest - lowest) for score in raw]

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        if event.change & (NODE | Change.NAMESPACE_LABELS):
            return True
        if event.pod is None:
            return False
        if event.change & (Change.POD_DELETED | Change.POD_LABELS):
            return True
        if event.change & Change.POD_ASSIGNED:  # it may be what the pod wants to be near to
            labels = self._cache.namespaces.get(event.pod.metadata.namespace, {})
            other = PodInfo(event.pod)
            return any(term.selects(other, labels) for term in pod.affinity)
        return False
