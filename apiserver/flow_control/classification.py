"""Which flow schema a request belongs to, and which of its flows.

https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#flowschema
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apiserver.request import RequestInfo, User

_ALL = "*"
_ACCOUNT = "system:serviceaccount:"

Rule = Mapping[str, Any]


def matches(spec: Rule, user: User, info: RequestInfo) -> bool:
    """Whether a request is meant by a schema's rules."""
    kind, fits = ("resourceRules", _fits_resource) if info.is_resource else ("nonResourceRules", _fits_path)
    for rules in spec.get("rules") or ():
        if any(_is_subject(subject, user) for subject in rules["subjects"]) and any(
            _among(info.verb, rule["verbs"]) and fits(rule, info) for rule in rules.get(kind) or ()
        ):
            return True
    return False


def distinguisher(spec: Rule, user: User, info: RequestInfo) -> str:
    """What tells the flows of a schema apart."""
    method = (spec.get("distinguisherMethod") or {}).get("type")
    if method == "ByUser":
        return user.name
    return info.namespace if method == "ByNamespace" else ""


def _is_subject(subject: Rule, user: User) -> bool:
    match subject["kind"]:
        case "User":
            return bool(subject["user"]["name"] in (_ALL, user.name))
        case "Group":
            return subject["group"]["name"] == _ALL or subject["group"]["name"] in user.groups
        case "ServiceAccount":
            account = subject["serviceAccount"]
            prefix = f"{_ACCOUNT}{account['namespace']}:"
            return user.name.startswith(prefix) if account["name"] == _ALL else user.name == prefix + account["name"]
    return False


def _fits_resource(rule: Rule, info: RequestInfo) -> bool:
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    if not _among(resource, rule["resources"]) or not _among(info.group, rule["apiGroups"]):
        return False
    if not info.namespace:
        return bool(rule.get("clusterScope"))
    return _among(info.namespace, rule.get("namespaces") or ())


def _fits_path(rule: Rule, info: RequestInfo) -> bool:
    """A path means all that is below it, too."""
    return any(
        path in (_ALL, info.path) or info.path.startswith(path.removesuffix(_ALL).removesuffix("/") + "/")
        for path in rule["nonResourceURLs"]
    )


def _among(value: str, values: Sequence[str]) -> bool:
    return value in values or _ALL in values
