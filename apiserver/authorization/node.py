"""The Node authorizer: what kubelets may do, and what they may read only for the pods they run.

See https://kubernetes.io/docs/reference/access-authn-authz/node/.  Its rules are those of the cluster role system:node,
but for Secrets, ConfigMaps and service accounts, which must be named by a pod that is bound to the node.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from apiserver.authorization.authorizer import CANNOT_LIST
from apiserver.authorization.rules import Rule
from apiserver.request import RequestInfo, User
from apiserver.storage.watch_cache import WatchCache

NODES = "system:nodes"
_UNLISTED = f"node authorizer {CANNOT_LIST}"  # it depends on the pods
_PREFIX = "system:node:"
_PODS = "/pods/"
_READ = ("get", "list", "watch")


class NodeAuthorizer:
    def __init__(self, rules: Sequence[Rule], cache: WatchCache) -> None:
        self._rules = rules
        self._cache = cache

    def allows(self, user: User, info: RequestInfo) -> bool:
        node = _node_of(user)
        if not node:
            return False
        if _is_of_pods(info):
            return not self._problem(node, info)
        return any(rule.allows(info) for rule in self._rules)

    def reason(self, user: User, info: RequestInfo) -> str:
        node = _node_of(user)
        return self._problem(node, info) if node and _is_of_pods(info) else ""

    def rules(self, user: User, namespace: str) -> Iterable[Rule]:
        return ()

    def unlisted(self, user: User, namespace: str) -> str:
        return _UNLISTED if _node_of(user) else ""

    def _problem(self, node: str, info: RequestInfo) -> str:
        """Why a node may not do something with a Secret, a ConfigMap or a service account; empty when it may."""
        if info.resource == "serviceaccounts":
            if info.subresource and (info.verb != "create" or not info.name):
                return "can only create tokens for individual service accounts"
            if info.subresource not in ("", "token"):
                return "can only create token subresource of serviceaccount"
            if not info.subresource and info.verb != "get":
                return "can only create tokens for individual service accounts"
        else:
            if info.verb not in _READ:
                return "can only read resources of this type"
            if info.subresource:
                return "cannot read subresource"
            if not info.namespace:
                return "can only read namespaced object of this type"
        if not info.object_name:
            return "No Object name found"
        wanted = (info.resource, info.object_name)
        if any(wanted in set(references(spec)) for spec in self._pods_on(node, info.namespace)):
            return ""
        return f"no relationship found between node '{node}' and this object"

    def _pods_on(self, node: str, namespace: str) -> Iterator[dict[str, Any]]:
        for entry in self._cache.list(_PODS, namespace):
            if entry.fields.get("spec.nodeName") == node:
                yield entry.document["spec"]


def _node_of(user: User) -> str:
    return user.name.removeprefix(_PREFIX) if user.name.startswith(_PREFIX) and NODES in user.groups else ""


def _is_of_pods(info: RequestInfo) -> bool:
    return info.is_resource and not info.group and info.resource in ("secrets", "configmaps", "serviceaccounts")


def references(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a pod's spec names: resource and name."""
    yield "serviceaccounts", spec.get("serviceAccountName") or ""
    for secret in spec.get("imagePullSecrets") or ():
        yield "secrets", secret.get("name", "")
    yield from _named_in(spec)


def _named_in(value: Any) -> Iterator[tuple[str, str]]:
    """Volumes, variables and drivers say it in many places, but always in the same words."""
    if isinstance(value, list):
        for item in value:
            yield from _named_in(item)
    elif isinstance(value, dict):
        for key, member in value.items():
            if isinstance(member, dict):
                if key in ("secret", "azureFile"):
                    yield "secrets", member.get("secretName") or member.get("name") or ""
                elif key in ("secretRef", "secretKeyRef") or key.endswith("SecretRef"):
                    yield "secrets", member.get("name") or ""
                elif key in ("configMap", "configMapRef", "configMapKeyRef"):
                    yield "configmaps", member.get("name") or ""
            yield from _named_in(member)
