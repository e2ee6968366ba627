"""Rules of roles: what they allow, whether some cover others, how they are shown.

See https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from apiserver.request import RequestInfo

_ALL = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """Verbs on resources, or on paths that are none (`paths`); empty `names` are all names."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Rule:
        """A PolicyRule as JSON."""
        return cls(*(tuple(document.get(name) or ()) for name in _MEMBERS))

    def to_dict(self) -> dict[str, list[str]]:
        """The PolicyRule as JSON."""
        values = (self.verbs, self.groups, self.resources, self.names, self.paths)
        return {name: list(value) for name, value in zip(_MEMBERS, values, strict=True) if value}

    def allows(self, info: RequestInfo) -> bool:
        verbs = self.verbs
        if info.verb not in verbs and _ALL not in verbs:
            return False
        if not info.is_resource:
            return any(_path_covers(path, info.path) for path in self.paths)
        if info.group not in self.groups and _ALL not in self.groups:
            return False
        if self.names and info.object_name not in self.names:
            return False
        resources = self.resources
        if not info.subresource:
            return info.resource in resources or _ALL in resources
        return _covers_resource(resources, f"{info.resource}/{info.subresource}")

    def covers(self, other: Rule) -> bool:
        """Whether it allows everything that `other`, one of `singles`, allows."""
        return (
            (_ALL in self.verbs or set(other.verbs) <= set(self.verbs))
            and (_ALL in self.groups or set(other.groups) <= set(self.groups))
            and all(_covers_resource(self.resources, resource) for resource in other.resources)
            and (not self.names or (bool(other.names) and set(other.names) <= set(self.names)))
            and all(any(_path_covers(own, path) for own in self.paths) for path in other.paths)
        )

    def singles(self) -> Iterator[Rule]:
        """The same as rules of one verb on one resource (and name), or on one path, each."""
        for group, resource, verb in product(self.groups, self.resources, self.verbs):
            for name in self.names or (None,):
                yield Rule((verb,), (group,), (resource,), () if name is None else (name,))
        for path, verb in product(self.paths, self.verbs):
            yield Rule((verb,), paths=(path,))

    def __str__(self) -> str:
        """As messages about missing permissions show it."""
        parts = (
            ("APIGroups", self.groups), ("Resources", self.resources), ("NonResourceURLs", self.paths),
            ("ResourceNames", self.names), ("Verbs", self.verbs),
        )  # fmt: skip
        return "{" + ", ".join(f"{name}:{quoted(values)}" for name, values in parts if values) + "}"


_MEMBERS = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")


def grants(verbs: str, *, resources: str = "", groups: str = "", names: str = "", paths: str = "") -> Rule:
    """A rule from words; in `groups` "core" stands for the group without a name."""
    words = [tuple(text.split()) for text in (verbs, groups, resources, names, paths)]
    words[1] = tuple("" if group == "core" else group for group in words[1])
    return Rule(*words)


def rules_of(documents: Iterable[Mapping[str, Any]] | None) -> tuple[Rule, ...]:
    return tuple(Rule.of(document) for document in documents or ())


def quoted(values: Iterable[str]) -> str:
    """A list of strings as Go shows it: ["a" "b"]."""
    return "[" + " ".join('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values) + "]"


def aggregate(errors: Iterable[str]) -> str:
    """Several errors as one, each once."""
    found = list(dict.fromkeys(errors))
    return f"[{', '.join(found)}]" if len(found) > 1 else "".join(found)


def uncovered(owned: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """What the wanted rules allow beyond the owned ones, as single rules."""
    return [single for rule in wanted for single in rule.singles() if not any(own.covers(single) for own in owned)]


def compacted(singles: Iterable[Rule]) -> list[Rule]:
    """Single rules with the verbs of each resource put together."""
    verbs: dict[Rule, list[str]] = {}
    for single in singles:
        target = Rule((), single.groups, single.resources, single.names)
        if single.paths:
            target = single  # these stay apart
        verbs.setdefault(target, []).extend(single.verbs)
    return [Rule(tuple(found), t.groups, t.resources, t.names, t.paths) for t, found in verbs.items()]


def _covers_resource(owned: Sequence[str], resource: str) -> bool:
    if _ALL in owned or resource in owned:
        return True
    _, slash, subresource = resource.partition("/")
    return bool(slash) and f"*/{subresource}" in owned


def _path_covers(owned: str, path: str) -> bool:
    return owned == path or (owned.endswith(_ALL) and path.startswith(owned.rstrip(_ALL)))
