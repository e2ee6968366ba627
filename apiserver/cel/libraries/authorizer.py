"""Whether somebody may do something: `authorizer.group('').resource('pods').namespace('a').check('create').allowed()`.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-authorizer-library
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from apiserver.authorization.authorizer import Authorizer
from apiserver.cel.errors import EvaluationError
from apiserver.cel.functions import Library
from apiserver.cel.types import Type, opaque
from apiserver.cel.values import Opaque
from apiserver.registry import names
from apiserver.request import RequestInfo, User

_PREFIX = "kubernetes.authorization."
AUTHORIZER_TYPE = opaque(_PREFIX + "Authorizer")
RESOURCE_CHECK_TYPE = opaque(_PREFIX + "ResourceCheck")
_PATH_CHECK, _GROUP_CHECK, _DECISION = (opaque(_PREFIX + name) for name in ("PathCheck", "GroupCheck", "Decision"))


@dataclass(frozen=True, slots=True)
class Requester(Opaque):
    """The value of the variable `authorizer`: whom is asked about, and the authorizer to ask."""

    type: ClassVar[Type] = AUTHORIZER_TYPE
    user: User
    authorizer: Authorizer


@dataclass(frozen=True, slots=True)
class _PathCheck(Opaque):
    type: ClassVar[Type] = _PATH_CHECK
    requester: Requester
    path: str


@dataclass(frozen=True, slots=True)
class _GroupCheck(Opaque):
    type: ClassVar[Type] = _GROUP_CHECK
    requester: Requester
    group: str


@dataclass(frozen=True, slots=True)
class ResourceCheck(Opaque):
    """A question about a resource; `authorizer.requestResource` is one about the request's own."""

    type: ClassVar[Type] = RESOURCE_CHECK_TYPE
    requester: Requester
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""


@dataclass(frozen=True, slots=True)
class _Decision(Opaque):
    type: ClassVar[Type] = _DECISION
    allowed: bool
    reason: str


def _decide(requester: Requester, info: RequestInfo) -> _Decision:
    authorizer, user = requester.authorizer, requester.user
    return _Decision(authorizer.allows(user, info), authorizer.reason(user, info))


def _check_path(check: _PathCheck, verb: str) -> _Decision:
    return _decide(check.requester, RequestInfo(check.path, verb))


def _check_resource(check: ResourceCheck, verb: str) -> _Decision:
    info = RequestInfo(
        path="",
        verb=verb,
        is_resource=True,
        group=check.group,
        version="*",
        namespace=check.namespace,
        resource=check.resource,
        subresource=check.subresource,
        name=check.name,
        selected=check.field_selector.removeprefix("metadata.name="),
    )
    if not check.field_selector.startswith("metadata.name="):
        info.selected = ""
    return _decide(check.requester, info)


def _path(requester: Requester, path: str) -> _PathCheck:
    if not path.strip():
        raise EvaluationError("path must not be empty")
    return _PathCheck(requester, path)


def _resource(check: _GroupCheck, resource: str) -> ResourceCheck:
    if not resource.strip():
        raise EvaluationError("resource must not be empty")
    return ResourceCheck(check.requester, check.group, resource)


def _service_account(requester: Requester, namespace: str, name: str) -> Requester:
    if names.dns_subdomain(name):
        raise EvaluationError("Invalid service account name")
    if names.dns_label(namespace):
        raise EvaluationError("Invalid service account namespace")
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return replace(requester, user=User(f"system:serviceaccount:{namespace}:{name}", groups=groups))


AUTHORIZER = Library()
for _type in (AUTHORIZER_TYPE, _PATH_CHECK, _GROUP_CHECK, RESOURCE_CHECK_TYPE, _DECISION):
    AUTHORIZER.add_type(_type)
AUTHORIZER.add("path", f"{AUTHORIZER_TYPE}.(string) -> {_PATH_CHECK}", call=_path)
AUTHORIZER.add("group", f"{AUTHORIZER_TYPE}.(string) -> {_GROUP_CHECK}", call=_GroupCheck)
AUTHORIZER.add("serviceAccount", f"{AUTHORIZER_TYPE}.(string, string) -> {AUTHORIZER_TYPE}", call=_service_account)
AUTHORIZER.add("resource", f"{_GROUP_CHECK}.(string) -> {RESOURCE_CHECK_TYPE}", call=_resource)
for _function, _field in {
    "subresource": "subresource",
    "namespace": "namespace",
    "name": "name",
    "fieldSelector": "field_selector",
    "labelSelector": "label_selector",
}.items():
    AUTHORIZER.add(
        _function,
        f"{RESOURCE_CHECK_TYPE}.(string) -> {RESOURCE_CHECK_TYPE}",
        call=lambda check, value, field=_field: replace(check, **{field: value}),
    )
AUTHORIZER.add("check", f"{_PATH_CHECK}.(string) -> {_DECISION}", call=_check_path)
AUTHORIZER.add("check", f"{RESOURCE_CHECK_TYPE}.(string) -> {_DECISION}", call=_check_resource)
AUTHORIZER.add("allowed", f"{_DECISION}.() -> bool", call=lambda decision: decision.allowed)
AUTHORIZER.add("reason", f"{_DECISION}.() -> string", call=lambda decision: decision.reason)
AUTHORIZER.add("errored", f"{_DECISION}.() -> bool", call=lambda decision: False)
AUTHORIZER.add("error", f"{_DECISION}.() -> string", call=lambda decision: "")
