"""How many pods on each node, and in each topology domain, match a question: kept, not counted anew.

Spread constraints and affinity ask of every pod in the cluster whether a selector matches.  Asking again
for every pod to schedule costs pods × nodes; most pods of a workload ask the same.  So the first who asks
has the answer counted, and from then on each pod that comes or goes adjusts the answers it concerns.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo
from scheduler.selectors import Selector

_KEPT = 512

Term = TypeVar("Term")


class DomainCounts:
    """Counts by node, and by the values of the topology keys that were asked for."""

    __slots__ = ("_by_key", "by_node", "total")

    def __init__(self) -> None:
        self.by_node: dict[str, int] = {}
        self._by_key: dict[str, dict[str, int]] = {}
        self.total = 0

    def add(self, node: NodeInfo, count: int) -> None:
        """Adjust the count of a node by so many (or so few)."""
        self.total += count
        new = self.by_node.get(node.name, 0) + count
        if new:
            self.by_node[node.name] = new
        else:
            self.by_node.pop(node.name, None)
        for key, domains in self._by_key.items():
            value = node.labels.get(key)
            if value is not None:
                left = domains.get(value, 0) + count
                if left:
                    domains[value] = left
                else:
                    domains.pop(value, None)

    def by_domain(self, key: str, nodes: Mapping[str, NodeInfo]) -> dict[str, int]:
        """Counts by the value of a topology label; values without a match are left out.  Do not change it."""
        domains = self._by_key.get(key)
        if domains is None:
            domains = {}
            for name, count in self.by_node.items():
                value = nodes[name].labels.get(key) if name in nodes else None
                if value is not None:
                    domains[value] = domains.get(value, 0) + count
            self._by_key[key] = domains
        return domains

    def forget_domains(self) -> None:
        """Nodes changed their labels: count domains anew when next asked."""
        self._by_key.clear()


@dataclass(frozen=True, slots=True)
class Question:
    """Pods that `selector` selects in one of `namespaces`; None is all namespaces."""

    selector: Selector
    namespaces: frozenset[str] | None
    terminating: bool = True
    """Whether pods that are being deleted count."""

    def matches(self, pod: PodInfo) -> bool:
        return (
            (self.terminating or not pod.terminating)
            and (self.namespaces is None or pod.namespace in self.namespaces)
            and self.selector.matches(pod.labels)
        )


class MatchCounts:
    """The questions asked so far and their running answers; the longest unused are forgotten.

    Questions are found from a pod through one label they require, so that hundreds of workloads' questions
    cost a pod only as many look-ups as it has labels.
    """

    def __init__(self, pods: Callable[[Iterable[tuple[str, str]]], Iterable[tuple[NodeInfo, PodInfo]]]) -> None:
        """`pods` gives the existing pods with their nodes: at least those that carry all of some labels."""
        self._pods = pods
        self._answers: OrderedDict[Question, DomainCounts] = OrderedDict()
        self._anchored: dict[tuple[str, str], list[Question]] = {}
        self._loose: list[Question] = []

    def ask(self, question: Question) -> DomainCounts:
        """The running answer to a question."""
        answer = self._answers.get(question)
        if answer is not None:
            self._answers.move_to_end(question)
            return answer
        answer = DomainCounts()
        if not question.selector.nothing:
            for node, pod in self._pods(question.selector.equal):
                if question.matches(pod):
                    answer.add(node, 1)
        self._answers[question] = answer
        self._shelf(question).append(question)
        if len(self._answers) > _KEPT:
            oldest, _ = self._answers.popitem(last=False)
            self._shelf(oldest).remove(oldest)
        return answer

    def _shelf(self, question: Question) -> list[Question]:
        anchor = question.selector.anchor
        return self._loose if anchor is None else self._anchored.setdefault(anchor, [])

    def count(self, node: NodeInfo, pod: PodInfo, sign: int) -> None:
        """A pod came to (+1) or left (-1) a node."""
        if not self._answers:
            return
        for label in pod.labels.items():
            for question in self._anchored.get(label, ()):
                if question.matches(pod):
                    self._answers[question].add(node, sign)
        for question in self._loose:
            if question.matches(pod):
                self._answers[question].add(node, sign)

    def forget_domains(self) -> None:
        """Labels of nodes changed."""
        for answer in self._answers.values():
            answer.forget_domains()


class TermCounts(Generic[Term]):
    """How many pods carry a term, by node: the existing pods' own wishes, equal ones counted together."""

    def __init__(self) -> None:
        self.terms: dict[Term, DomainCounts] = {}

    def count(self, node: NodeInfo, terms: Iterable[Term], sign: int) -> None:
        """A pod with these terms came to (+1) or left (-1) a node."""
        for term in terms:
            counts = self.terms.get(term)
            if counts is None:
                counts = self.terms[term] = DomainCounts()
            counts.add(node, sign)
            if not counts.by_node:
                del self.terms[term]

    def forget_domains(self) -> None:
        for counts in self.terms.values():
            counts.forget_domains()
