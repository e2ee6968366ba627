"""The built-in roles and bindings as objects, made of the texts in `bootstrap_roles` and `controller_roles`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from apiserver.authorization.bootstrap_roles import (
    AGGREGATED,
    AGGREGATED_TO,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
)
from apiserver.authorization.controller_roles import CONTROLLER_ROLES
from apiserver.authorization.rules import Rule, grants

_SHORT = {"read": "get list watch", "write": "create delete deletecollection patch update"}
_EVENTS = "create patch update: events @ core events.k8s.io"
_GROUP = "rbac.authorization.k8s.io"
_LABEL = "rbac.authorization.k8s.io/aggregate-to-"
_CONTROLLER = "system:controller:"
_READER = "extension-apiserver-authentication-reader"


def cluster_roles() -> Iterator[dict[str, Any]]:
    """The ClusterRoles, as JSON without kind and version."""
    for name in AGGREGATED:
        selector = {"matchLabels": {_LABEL + name: "true"}}
        yield {**_metadata(name), "aggregationRule": {"clusterRoleSelectors": [selector]}, "rules": None}
    for name, rules in (*parsed(CLUSTER_ROLES).items(), *_controller_roles()):
        yield {**_metadata(name), "rules": [rule.to_dict() for rule in rules]}


def cluster_role_bindings() -> Iterator[dict[str, Any]]:
    for name, subjects in _bindings(CLUSTER_ROLE_BINDINGS):
        yield _binding(name, "", _role("ClusterRole", name), subjects)
    for name, _ in _controller_roles():
        subjects = [_subject(f"ServiceAccount {name.removeprefix(_CONTROLLER)}")]
        yield _binding(name, "", _role("ClusterRole", name), subjects)


def roles() -> Iterator[dict[str, Any]]:
    for namespace, text in ROLES.items():
        for name, rules in parsed(text).items():
            yield {**_metadata(name, namespace), "rules": [rule.to_dict() for rule in rules]}


def role_bindings() -> Iterator[dict[str, Any]]:
    for namespace, text in ROLE_BINDINGS.items():
        for name, subjects in _bindings(text):
            role = _READER if name.endswith(_READER) else name
            yield _binding(name, namespace, _role("Role", role), subjects)


def node_rules() -> tuple[Rule, ...]:
    """What the Node authorizer lets kubelets do."""
    return parsed(CLUSTER_ROLES)["system:node"]


@cache
def parsed(text: str) -> Mapping[str, tuple[Rule, ...]]:
    """The roles of a text by name."""
    found = {}
    for paragraph in text.strip().split("\n\n"):
        name, *lines = paragraph.split("\n")
        found[name] = tuple(_rule(line.strip()) for line in lines)
    return found


def _controller_roles() -> list[tuple[str, tuple[Rule, ...]]]:
    return [(_CONTROLLER + name, rules) for name, rules in parsed(CONTROLLER_ROLES).items()]


def _rule(line: str) -> Rule:
    verbs, _, rest = (_EVENTS if line == "events" else line).partition(": ")
    verbs = _sorted(" ".join(_SHORT.get(verb, verb) for verb in verbs.split()))
    rest, _, names = rest.partition(" = ")
    objects, _, groups = rest.partition(" @ ")
    if objects.startswith("/") or line == "*: *":
        return grants(verbs, paths=_sorted(objects))
    return grants(verbs, resources=_sorted(objects), groups=groups or "core", names=_sorted(names))


def _sorted(words: str) -> str:
    return " ".join(sorted(words.split()))


def _bindings(text: str) -> Iterator[tuple[str, list[dict[str, str]]]]:
    for line in text.strip().split("\n"):
        name, _, subjects = line.partition(": ")
        yield name.removesuffix(":"), [_subject(subject) for subject in subjects.split(", ") if subject]


def _subject(text: str) -> dict[str, str]:
    kind, name = text.split()
    if kind == "ServiceAccount":
        return {"kind": kind, "name": name, "namespace": "kube-system"}
    return {"apiGroup": _GROUP, "kind": kind, "name": name}


def _role(kind: str, name: str) -> dict[str, str]:
    return {"apiGroup": _GROUP, "kind": kind, "name": name}


def _metadata(name: str, namespace: str = "") -> dict[str, Any]:
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    if name in AGGREGATED_TO:
        labels[_LABEL + AGGREGATED_TO[name]] = "true"
    metadata: dict[str, Any] = {"name": name, "labels": labels}
    if namespace:
        metadata["namespace"] = namespace
    metadata["annotations"] = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
    return {"metadata": metadata}


def _binding(name: str, namespace: str, role: dict[str, str], subjects: list[dict[str, str]]) -> dict[str, Any]:
    binding = {**_metadata(name, namespace), "roleRef": role}
    return {**binding, "subjects": subjects} if subjects else binding
