"""Questions put to the server as objects: who am I, may I, whose token is this.

They are answered and not stored (https://kubernetes.io/docs/reference/access-authn-authz/authorization/).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from api.authentication_v1 import SelfSubjectReview, TokenReview, UserInfo
from api.authorization_v1 import (
    LocalSubjectAccessReview,
    NonResourceAttributes,
    NonResourceRule,
    ResourceAttributes,
    ResourceRule,
    SelfSubjectAccessReview,
    SelfSubjectRulesReview,
    SubjectAccessReview,
)
from api.core_v1 import Binding
from api.errors import MethodNotAllowed, Unauthorized, forbidden, invalid
from api.meta_v1 import StatusDetails
from api.model import Model
from api.scheme import CORE_V1, GroupVersion
from apiserver.answer import Answer
from apiserver.decoding import decode_request
from apiserver.endpoint import API
from apiserver.filters.authentication import AUTHENTICATED
from apiserver.handlers import pod_subresources
from apiserver.handlers.options import write_options
from apiserver.handlers.write import Write
from apiserver.request import Request, RequestInfo, User

_AUTHENTICATION = GroupVersion("authentication.k8s.io", "v1")
_AUTHORIZATION = GroupVersion("authorization.k8s.io", "v1")

REVIEWS: dict[tuple[str, str], tuple[GroupVersion, type[Model]]] = {
    ("", "bindings"): (CORE_V1, Binding),
    ("authentication.k8s.io", "selfsubjectreviews"): (_AUTHENTICATION, SelfSubjectReview),
    ("authentication.k8s.io", "tokenreviews"): (_AUTHENTICATION, TokenReview),
    ("authorization.k8s.io", "localsubjectaccessreviews"): (_AUTHORIZATION, LocalSubjectAccessReview),
    ("authorization.k8s.io", "selfsubjectaccessreviews"): (_AUTHORIZATION, SelfSubjectAccessReview),
    ("authorization.k8s.io", "selfsubjectrulesreviews"): (_AUTHORIZATION, SelfSubjectRulesReview),
    ("authorization.k8s.io", "subjectaccessreviews"): (_AUTHORIZATION, SubjectAccessReview),
}
Handler = Callable[[API, Request, Any], Awaitable[None]]


async def review(api: API, request: Request) -> Answer:
    """Answer the review in the request's body with itself, its status filled in."""
    info = request.info
    version, model = REVIEWS[info.group, info.resource]
    if info.verb != "create":
        raise MethodNotAllowed("the server does not allow this method on the requested resource", StatusDetails())
    options = write_options(request, "CreateOptions")
    obj: Any
    obj, warnings = decode_request(
        model, await request.body(api.max_request_bytes), request.header("content-type"), options.field_validation,
        kind=model.__name__, version=version.version,
    )  # fmt: skip
    request.warnings += warnings
    if isinstance(obj, Binding):
        pods = api.endpoints["", "v1", "pods"]
        write = Write(api, pods, request.user, options, info.namespace, request.warnings, "binding")
        await pod_subresources.bind(write, obj.metadata.name, obj)
        return Answer(
            201, document={"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        )
    await _HANDLERS[model](api, request, obj)
    obj.kind, obj.apiVersion = model.__name__, str(version)
    return Answer(201, document=obj.to_dict())


async def _who_am_i(api: API, request: Request, obj: SelfSubjectReview) -> None:
    obj.metadata.creationTimestamp = api.clock.now().replace(microsecond=0)
    obj.status.userInfo = user_info(request.user)


def user_info(user: User) -> UserInfo:
    return UserInfo(username=user.name, uid=user.uid, groups=list(user.groups), extra=dict(user.extra))


async def _whose_token(api: API, request: Request, obj: TokenReview) -> None:
    scope = {**request.scope, "headers": [(b"authorization", b"Bearer " + obj.spec.token.encode())]}
    scope.pop("client_user", None)
    probe = Request(scope, request.receive)
    try:
        user = await api.authenticate(probe)
    except Unauthorized:
        obj.status.error = "the token is not known"
        return
    if AUTHENTICATED in user.groups:
        obj.status.authenticated = True
        obj.status.user = user_info(user)


async def _may_i(api: API, request: Request, obj: SelfSubjectAccessReview) -> None:
    _decide(api, request.user, obj)


async def _may_they(api: API, request: Request, obj: SubjectAccessReview | LocalSubjectAccessReview) -> None:
    spec = obj.spec
    user = User(spec.user, spec.uid, tuple(spec.groups), spec.extra)
    if isinstance(obj, LocalSubjectAccessReview) and spec.resourceAttributes is not None:
        spec.resourceAttributes.namespace = spec.resourceAttributes.namespace or request.info.namespace
    _decide(api, user, obj)


async def _what_may_i(api: API, request: Request, obj: SelfSubjectRulesReview) -> None:
    rules, paths = api.rules(request.user)
    obj.status.resourceRules = [
        ResourceRule(verbs=sorted(rule.verbs), apiGroups=["*"], resources=sorted(rule.resources)) for rule in rules
    ]
    verbs = ["*"] if paths == ["*"] else ["get"]
    obj.status.nonResourceRules = [NonResourceRule(verbs=verbs, nonResourceURLs=paths)] if paths else []


def _decide(api: API, user: User, obj: Any) -> None:
    resource, path = obj.spec.resourceAttributes, obj.spec.nonResourceAttributes
    if (resource is None) == (path is None):
        problem = forbidden(
            "spec.nonResourceAttributes", "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        )
        raise invalid("authorization.k8s.io", type(obj).__name__, "", [problem])
    info = _resource_info(resource) if resource is not None else _path_info(path)
    obj.status.allowed = api.allows(user, info)


def _resource_info(asked: ResourceAttributes) -> RequestInfo:
    return RequestInfo(
        path="", verb=asked.verb, is_resource=True, group=asked.group, version=asked.version,
        namespace=asked.namespace, resource=asked.resource, subresource=asked.subresource, name=asked.name,
    )  # fmt: skip


def _path_info(asked: NonResourceAttributes) -> RequestInfo:
    return RequestInfo(path=asked.path, verb=asked.verb)


_HANDLERS: dict[type[Model], Handler] = {
    SelfSubjectReview: _who_am_i,
    TokenReview: _whose_token,
    SelfSubjectAccessReview: _may_i,
    SelfSubjectRulesReview: _what_may_i,
    SubjectAccessReview: _may_they,
    LocalSubjectAccessReview: _may_they,
}
