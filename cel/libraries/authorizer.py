"""Whether somebody may do something: `authorizer.group('').resource('pods').namespace('a').check('create').allowed()`.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-authorizer-library
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

from api import names
from cel.errors import EvaluationError
from cel.functions import Library
from cel.types import Type, opaque
from cel.values import Opaque

_PREFIX = "kubernetes.authorization."
AUTHORIZER_TYPE = opaque(_PREFIX + "Authorizer")
RESOURCE_CHECK_TYPE = opaque(_PREFIX + "ResourceCheck")
_PATH_CHECK, _GROUP_CHECK, _DECISION = (opaque(_PREFIX + name) for name in ("PathCheck", "GroupCheck", "Decision"))


class Judge(Protocol):
    """Who knows what the user of a request may do.  Answers: whether it is allowed, and why."""

    def path(self, path: str, verb: str) -> tuple[bool, str]: ...

    def resource(self, check: ResourceCheck, verb: str) -> tuple[bool, str]: ...

    def service_account(self, namespace: str, name: str) -> Judge:
        """One who is asked about a service account in place of the user."""
        ...


@dataclass(frozen=True, slots=True)
class Requester(Opaque):
    """The value of the variable `authorizer`."""

    type: ClassVar[Type] = AUTHORIZER_TYPE
    judge: Judge


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


def _check_path(check: _PathCheck, verb: str) -> _Decision:
    return _Decision(*check.requester.judge.path(check.path, verb))


def _check_resource(check: ResourceCheck, verb: str) -> _Decision:
    return _Decision(*check.requester.judge.resource(check, verb))


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
    return Requester(requester.judge.service_account(namespace, name))


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
