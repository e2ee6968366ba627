"""Questions put to the server as objects: who am I, may I, whose token is this.

They are answered and not stored (https://kubernetes.io/docs/reference/access-authn-authz/authorization/).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from api.authentication_v1 import SelfSubjectReview, TokenReview, TokenReviewStatus, UserInfo
from api.authorization_v1 import (
    LocalSubjectAccessReview,
    SelfSubjectAccessReview,
    SelfSubjectRulesReview,
    SubjectAccessReview,
)
from api.core_v1 import Binding
from api.errors import BadRequest, MethodNotAllowed
from api.meta_v1 import ManagedFieldsEntry, StatusDetails
from api.model import Model, without_nulls
from api.schema import schema_of
from api.scheme import Resource, resource_of
from apiserver.admission.plugin import AdmissionRequest
from apiserver.answer import Answer
from apiserver.authentication.tokens import Rejected
from apiserver.decoding import decode_request
from apiserver.endpoint import API
from apiserver.handlers import pod_subresources
from apiserver.handlers.access_reviews import may_i, may_they, may_they_here, what_may_i
from apiserver.handlers.options import WriteOptions, write_options
from apiserver.handlers.write import Write, check_names
from apiserver.patch.managed_fields import update_managers
from apiserver.request import Request, User

Handler = Callable[[API, Request, Any], Awaitable[None]]


async def review(api: API, request: Request, resource: Resource) -> Answer:
    """Answer the review in the request's body with itself, its status filled in."""
    info = request.info
    version, model = resource.group_version, resource.model
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
        check_names(obj, info.namespace, "", namespaced=True)
        pods = api.endpoints["", "v1", "pods"]
        write = Write(
            api, pods, request.user, options, info.namespace, request.warnings, "binding",
            audit_annotations=request.annotations,
        )  # fmt: skip
        await pod_subresources.bind(write, obj.metadata.name, obj)
        return Answer(
            201, document={"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        )
    obj.kind = obj.apiVersion = ""
    if model is not SelfSubjectReview:
        obj.metadata.managedFields = managers_of_review(api, obj, str(version), options.manager)
    await _admit(api, request, model, obj, options)
    await _HANDLERS[model](api, request, obj)
    obj.kind, obj.apiVersion = model.__name__, str(version)
    return Answer(201, document=obj.to_dict())


async def _admit(api: API, request: Request, model: type[Model], obj: Any, options: WriteOptions) -> None:
    """Webhooks may have a say in questions, too.  Raises StatusError when one refuses to have it asked."""
    admission = api.dynamic_admission
    if not (admission.mutates or admission.validates):
        return
    asked = AdmissionRequest(
        "CREATE", resource_of(model), "", request.info.namespace, obj.metadata.name, obj, None, request.user.name,
        request.user.groups, options.dry_run, api.context(request.user), request.warnings,
        request.annotations, options=options,
    )  # fmt: skip
    if admission.mutates:
        await admission.mutate(asked, plugins=False)
    if admission.validates:
        await admission.validate(asked)


def managers_of_review(
    api: API, obj: Any, api_version: str, manager: str, subresource: str = ""
) -> list[ManagedFieldsEntry]:
    """Who asks owns what they ask, as if it were stored."""
    model: type[Model] = type(obj)
    asked, now = without_nulls(obj.to_dict()), api.clock.now()
    managers = update_managers(
        schema_of(model), None, asked, manager, api_version, now, subresource, ignored={"f:status": {}}
    )
    return [ManagedFieldsEntry.from_dict(each) for each in managers]


async def _who_am_i(api: API, request: Request, obj: SelfSubjectReview) -> None:
    obj.metadata.creationTimestamp = api.clock.now().replace(microsecond=0)
    obj.status.userInfo = user_info(request.user)


def user_info(user: User) -> UserInfo:
    return UserInfo(username=user.name, uid=user.uid, groups=list(user.groups), extra=dict(user.extra))


async def _whose_token(api: API, request: Request, obj: TokenReview) -> None:
    spec, status = obj.spec, TokenReviewStatus()
    obj.status = status
    if not spec.token:
        raise BadRequest("token is required for TokenReview in authentication")
    bearers = api.bearers
    try:
        user, audiences = await bearers.review(spec.token, tuple(spec.audiences) or bearers.audiences)
    except Rejected as error:
        status.error = str(error)
        return
    status.authenticated, status.user, status.audiences = True, user_info(user), list(audiences)


_HANDLERS: dict[type[Model], Handler] = {
    SelfSubjectReview: _who_am_i,
    TokenReview: _whose_token,
    SelfSubjectAccessReview: may_i,
    SelfSubjectRulesReview: what_may_i,
    SubjectAccessReview: may_they,
    LocalSubjectAccessReview: may_they_here,
}
