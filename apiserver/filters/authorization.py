"""Decides whether a user may do what a request asks for.

Until roles are objects of their own, what the cluster's components may do is written here: the part of
Kubernetes' bootstrap policy that they need
(https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from api.errors import Forbidden
from api.meta_v1 import StatusDetails
from apiserver.request import ASGI, Receive, RequestInfo, Scope, Send, User, request_of

MASTERS = "system:masters"
READ = frozenset({"get", "list", "watch"})
WRITE = frozenset({"create", "update", "patch", "delete", "deletecollection"})
ALL = frozenset({"*"})


class Authorizer(Protocol):
    def allows(self, user: User, info: RequestInfo) -> bool: ...

    def rules(self, user: User) -> tuple[list[Rule], list[str]]:
        """What a user may do, as far as it can be listed: rules for resources, and paths that may be read."""
        ...


class AlwaysAllow:
    def allows(self, user: User, info: RequestInfo) -> bool:
        return True

    def rules(self, user: User) -> tuple[list[Rule], list[str]]:
        return [EVERYTHING], ["*"]


class AlwaysDeny:
    def allows(self, user: User, info: RequestInfo) -> bool:
        return False

    def rules(self, user: User) -> tuple[list[Rule], list[str]]:
        return [], []


@dataclass(frozen=True)
class Rule:
    """Verbs on resources ("pods", "pods/status", "*"), of whatever group, in whatever namespace."""

    resources: frozenset[str]
    verbs: frozenset[str]

    def allows(self, info: RequestInfo) -> bool:
        if "*" not in self.verbs and info.verb not in self.verbs:
            return False
        wanted = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
        return "*" in self.resources or wanted in self.resources


def _rule(resources: str, verbs: frozenset[str]) -> Rule:
    return Rule(frozenset(resources.split()), verbs)


EVERYTHING = _rule("*", ALL)
_LEADER = _rule("leases events", READ | WRITE)
_REVIEWS = _rule("selfsubjectaccessreviews selfsubjectrulesreviews selfsubjectreviews", frozenset({"create"}))

BOOTSTRAP_USERS: dict[str, tuple[Rule, ...]] = {
    # The garbage collector and the namespace controller must reach every kind, custom ones too.
    "system:kube-controller-manager": (Rule(frozenset({"*"}), ALL),),
    "system:kube-scheduler": (
        _LEADER,
        _rule("*", READ),
        _rule("pods/binding bindings", frozenset({"create"})),
        _rule("pods/status", frozenset({"update", "patch"})),
        _rule("pods", frozenset({"delete", "patch"})),
    ),
    "system:kube-proxy": (
        _rule("services endpoints endpointslices nodes namespaces servicecidrs", READ),
        _rule("events", frozenset({"create", "patch", "update"})),
    ),
}

BOOTSTRAP_GROUPS: dict[str, tuple[Rule, ...]] = {
    "system:nodes": (
        _rule("nodes", READ | {"create", "update", "patch"}),
        _rule("nodes/status", frozenset({"get", "update", "patch"})),
        _rule("pods services configmaps secrets namespaces serviceaccounts endpointslices runtimeclasses", READ),
        _rule("persistentvolumes persistentvolumeclaims csidrivers csinodes volumeattachments", READ),
        _rule("pods", frozenset({"create", "delete"})),
        _rule("pods/status", frozenset({"get", "update", "patch"})),
        _rule("pods/eviction serviceaccounts/token", frozenset({"create"})),
        _rule("events", frozenset({"create", "update", "patch"})),
        _rule("leases", READ | WRITE),
    ),
    "system:authenticated": (_REVIEWS,),
}

DISCOVERY_PATHS = (
    "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version",
    "/version/",
)  # fmt: skip
PUBLIC_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version", "/version/"})
MONITORING_PATHS = frozenset({"/metrics"})


class BootstrapPolicy:
    """What `RBAC` and `Node` allow before any role is written: masters everything, components their part."""

    def allows(self, user: User, info: RequestInfo) -> bool:
        if MASTERS in user.groups:
            return True
        if not info.is_resource:
            return self._allows_path(user, info)
        return any(rule.allows(info) for rule in self._rules_of(user))

    @staticmethod
    def _rules_of(user: User) -> list[Rule]:
        rules = list(BOOTSTRAP_USERS.get(user.name, ()))
        for group in user.groups:
            rules += BOOTSTRAP_GROUPS.get(group, ())
        return rules

    def rules(self, user: User) -> tuple[list[Rule], list[str]]:
        if MASTERS in user.groups:
            return [EVERYTHING], ["*"]
        paths = DISCOVERY_PATHS if "system:authenticated" in user.groups else sorted(PUBLIC_PATHS)
        return self._rules_of(user), list(paths)

    @staticmethod
    def _allows_path(user: User, info: RequestInfo) -> bool:
        if info.verb not in ("get", "head"):
            return False
        if info.path in PUBLIC_PATHS:
            return True
        if "system:authenticated" not in user.groups:
            return False
        return any(
            info.path.startswith(pattern[:-1]) if pattern.endswith("*") else info.path == pattern
            for pattern in DISCOVERY_PATHS
        )


class AuthorizationFilter:
    """Asks the authorizers of `--authorization-mode` in order; one yes is enough."""

    def __init__(self, app: ASGI, modes: Sequence[str]) -> None:
        self._app = app
        policy = BootstrapPolicy()
        kinds: dict[str, Authorizer] = {
            "AlwaysAllow": AlwaysAllow(),
            "AlwaysDeny": AlwaysDeny(),
            "Node": policy,
            "RBAC": policy,
        }
        self._authorizers = list(dict.fromkeys(kinds[mode] for mode in modes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = request_of(scope)
        self.check(request.user, request.info)
        await self._app(scope, receive, send)

    def check(self, user: User, info: RequestInfo) -> None:
        """Raises Forbidden, worded as Kubernetes words it."""
        if not self.allows(user, info):
            raise forbidden(user, info)

    def rules(self, user: User) -> tuple[list[Rule], list[str]]:
        return rules_of(self._authorizers, user)

    def allows(self, user: User, info: RequestInfo) -> bool:
        return MASTERS in user.groups or any(authorizer.allows(user, info) for authorizer in self._authorizers)


def forbidden(user: User, info: RequestInfo) -> Forbidden:
    if not info.is_resource:
        return Forbidden(f'forbidden: User "{user.name}" cannot {info.verb} path "{info.path}"', StatusDetails())
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    qualified = f"{info.resource}.{info.group}" if info.group else info.resource
    subject = f'{qualified} "{info.name}"' if info.name else qualified
    where = f'in the namespace "{info.namespace}"' if info.namespace else "at the cluster scope"
    return Forbidden(
        f'{subject} is forbidden: User "{user.name}" cannot {info.verb} resource "{resource}" '
        f'in API group "{info.group}" {where}',
        StatusDetails(name=info.name, group=info.group, kind=info.resource),
    )


def rules_of(authorizers: Sequence[Authorizer], user: User) -> tuple[list[Rule], list[str]]:
    """What any of the authorizers allows."""
    rules: list[Rule] = []
    paths: list[str] = []
    for authorizer in authorizers:
        more, further = authorizer.rules(user)
        rules += more
        paths += further
    return rules, list(dict.fromkeys(paths))
