"""Selectors in the form the scheduler's inner loops need: compiled once, hashable, quick to ask.

Two pods that ask the same question get equal selectors, so that answers can be kept by selector (see
`scheduler.match_counts`).  Semantics:
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors and
https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#operators for nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from api.core_v1 import NodeSelector, NodeSelectorRequirement, NodeSelectorTerm
from api.meta_v1 import LabelSelector

Requirement = tuple[str, str, frozenset[str]]
"""Key, operator (In, NotIn, Exists, DoesNotExist, Gt, Lt), values."""


class Selector:
    """A conjunction of requirements on labels.  `nothing` selects no labels at all."""

    __slots__ = ("_hash", "_rest", "equal", "nothing", "requirements")

    def __init__(self, requirements: Iterable[Requirement] = (), *, nothing: bool = False) -> None:
        self.requirements = tuple(sorted(set(requirements), key=lambda r: (r[0], r[1], sorted(r[2]))))
        self.nothing = nothing
        self.equal = [
            (key, next(iter(values))) for key, operator, values in self.requirements if _single(operator, values)
        ]
        """Labels that everything selected must carry."""
        self._rest = [r for r in self.requirements if not _single(r[1], r[2])]
        self._hash = hash((self.requirements, nothing))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Selector) and self.requirements == other.requirements and self.nothing == other.nothing

    def __repr__(self) -> str:
        return f"Selector(nothing={self.nothing}, {self.requirements})"

    @property
    def anchor(self) -> tuple[str, str] | None:
        """One of `equal`, if there is one: a cheap way to find candidates."""
        return self.equal[0] if self.equal else None

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        if self.nothing:
            return False
        for key, value in self.equal:
            if labels.get(key) != value:
                return False
        return not self._rest or all(holds(requirement, labels) for requirement in self._rest)

    def and_also(self, requirements: Iterable[Requirement]) -> Selector:
        """This selector narrowed by more requirements."""
        return Selector((*self.requirements, *requirements), nothing=self.nothing)


def _single(operator: str, values: frozenset[str]) -> bool:
    return operator == "In" and len(values) == 1


NOTHING = Selector(nothing=True)
EVERYTHING = Selector()


def from_labels(labels: Mapping[str, str]) -> Selector:
    """All of these labels, with exactly these values."""
    return Selector((key, "In", frozenset((value,))) for key, value in labels.items())


def compile_selector(selector: LabelSelector | None) -> Selector:
    """The API's form compiled: None selects nothing, an empty one everything."""
    if selector is None:
        return NOTHING
    return Selector(
        [
            *((key, "In", frozenset((value,))) for key, value in selector.matchLabels.items()),
            *((e.key, e.operator, frozenset(e.values)) for e in selector.matchExpressions),
        ]
    )


def holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """Whether labels fulfil one requirement.  Gt and Lt compare integers; what is none does not hold."""
    key, operator, values = requirement
    present = key in labels
    if operator == "In":
        return present and labels[key] in values
    if operator == "NotIn":
        return not present or labels[key] not in values
    if operator == "Exists":
        return present
    if operator == "DoesNotExist":
        return not present
    if operator in ("Gt", "Lt") and present and len(values) == 1:
        actual, bound = _integer(labels[key]), _integer(next(iter(values)))
        if actual is None or bound is None:
            return False
        return actual > bound if operator == "Gt" else actual < bound
    return False


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


class NodeTerm:
    """One alternative of a node selector: requirements on labels and on the node's name."""

    __slots__ = ("fields", "labels")

    def __init__(self, term: NodeSelectorTerm) -> None:
        self.labels = tuple(_requirement(r) for r in term.matchExpressions)
        self.fields = tuple(_requirement(r) for r in term.matchFields)

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        """An empty term matches no node."""
        if not self.labels and not self.fields:
            return False
        return all(holds(r, labels) for r in self.labels) and (
            not self.fields or all(holds(r, {"metadata.name": name}) for r in self.fields)
        )

    def names(self) -> frozenset[str] | None:
        """The only nodes this term can match, when it names them."""
        named: frozenset[str] | None = None
        for key, operator, values in self.fields:
            if key == "metadata.name" and operator == "In":
                named = values if named is None else named & values
        return named


def _requirement(requirement: NodeSelectorRequirement) -> Requirement:
    return requirement.key, requirement.operator, frozenset(requirement.values)


def compile_node_selector(selector: NodeSelector | None) -> tuple[NodeTerm, ...] | None:
    """The alternatives of a required node selector; None when there is no such requirement."""
    return None if selector is None else tuple(NodeTerm(term) for term in selector.nodeSelectorTerms)
