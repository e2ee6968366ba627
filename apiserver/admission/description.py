"""A write in the words of an AdmissionRequest, for webhooks and for expressions.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request
"""

from __future__ import annotations

from typing import Any

from api.meta_v1 import DeleteOptions
from api.scheme import Resource
from apiserver.admission.attributes import Attributes, Kind, Object
from apiserver.admission.matching import Match
from apiserver.handlers.options import WriteOptions
from apiserver.registry.strategy import Requester

_OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}


def describe(attributes: Attributes, shown: Match) -> Object:
    """An AdmissionRequest as JSON, without its uid and its objects, which are shown as `shown` says."""
    request = attributes.request
    said = {
        "kind": _kind(shown.kind),
        "resource": _resource(shown.resource),
        "subResource": request.subresource,
        "requestKind": _kind(attributes.kind),
        "requestResource": _resource(attributes.resource),
        "requestSubResource": request.subresource,
        "name": attributes.name,
        "namespace": attributes.namespace,
        "operation": request.operation,
        "userInfo": _user_info(request.context.requester),
    }
    given = {name: value for name, value in said.items() if value != ""}
    return {**given, "dryRun": request.dry_run, "options": _options(attributes)}


def _kind(kind: Kind) -> Object:
    version = kind.group_version
    return {"group": version.group, "version": version.version, "kind": kind.kind}


def _resource(resource: Resource) -> Object:
    version = resource.group_version
    return {"group": version.group, "version": version.version, "resource": resource.plural}


def _user_info(requester: Requester | None) -> Object:
    if requester is None:
        return {}
    user = requester.user
    said = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": user.extra}
    return {name: value for name, value in said.items() if value}


def _options(attributes: Attributes) -> Object | None:
    options = attributes.request.options
    if options is None:
        return None
    head = {"kind": _OPTIONS[attributes.operation], "apiVersion": "meta.k8s.io/v1"}
    if isinstance(options, DeleteOptions):
        return {**options.to_dict(), **head}
    return {**head, **_said(options)}


def _said(options: WriteOptions) -> Object:
    said: dict[str, Any] = {name: options.said.get(name, "") for name in ("fieldManager", "fieldValidation")}
    said["dryRun"] = ["All"] if options.dry_run else []
    return {name: value for name, value in said.items() if value}
