"""May I, may they, what may I: questions to the authorizers, put as objects.

See https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.authorization_v1 import (
    LocalSubjectAccessReview,
    NonResourceAttributes,
    NonResourceRule,
    ResourceAttributes,
    ResourceRule,
    SelfSubjectAccessReview,
    SelfSubjectRulesReview,
    SelfSubjectRulesReviewSpec,
    SubjectAccessReview,
    SubjectAccessReviewStatus,
    SubjectRulesReviewStatus,
)
from api.errors import BadRequest, FieldError, invalid, invalid_value, required
from api.meta_v1 import ObjectMeta
from api.scheme import AUTHORIZATION_V1
from apiserver.authorization.authorizer import CANNOT_LIST, settled
from apiserver.authorization.selectors import unreadable, written_field_selector, written_label_selector
from apiserver.endpoint import API
from apiserver.registry.internal_form import internal, metadata_form
from apiserver.registry.labels import validate_operator, validate_requirement
from apiserver.request import Request, RequestInfo, User


async def may_i(api: API, request: Request, obj: SelfSubjectAccessReview) -> None:
    _refuse([*_validate_spec(obj.spec), *_validate_metadata(obj.metadata)])
    await _decide(api, request.user, obj)


async def may_they(api: API, request: Request, obj: SubjectAccessReview) -> None:
    _refuse([*_validate_spec(obj.spec), *_validate_user(obj.spec), *_validate_metadata(obj.metadata)])
    await _decide(api, _subject(obj.spec), obj)


async def may_they_here(api: API, request: Request, obj: LocalSubjectAccessReview) -> None:
    spec, namespace = obj.spec, request.info.namespace
    if obj.metadata.namespace not in ("", namespace):
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    obj.metadata.namespace = namespace
    errors = [*_validate_spec(spec), *_validate_user(spec), *_validate_metadata(obj.metadata, namespace)]
    if spec.resourceAttributes is not None and spec.resourceAttributes.namespace != namespace:
        where = "spec.resourceAttributes.namespace"
        errors.append(invalid_value(where, spec.resourceAttributes.namespace, "must match metadata.namespace"))
    if spec.nonResourceAttributes is not None:
        shown = internal(spec.nonResourceAttributes)
        errors.append(invalid_value("spec.nonResourceAttributes", shown, "disallowed on this kind of request"))
    _refuse(errors)
    await _decide(api, _subject(spec), obj)


async def what_may_i(api: API, request: Request, obj: SelfSubjectRulesReview) -> None:
    namespace = obj.spec.namespace
    if not namespace:
        raise BadRequest("no namespace on request")
    status = SubjectRulesReviewStatus(incomplete=False, resourceRules=[], nonResourceRules=[])
    obj.metadata, obj.spec, obj.status = ObjectMeta(), SelfSubjectRulesReviewSpec(), status
    for rule in api.authorizer.rules(request.user, namespace):
        shown = rule.to_dict()
        if rule.resources:
            shown.pop("nonResourceURLs", None)
            status.resourceRules.append(ResourceRule.from_dict(shown))
        elif rule.paths:
            status.nonResourceRules.append(NonResourceRule.from_dict(shown))
    status.evaluationError = api.authorizer.unlisted(request.user, namespace)
    status.incomplete = CANNOT_LIST in status.evaluationError


def _subject(spec: Any) -> User:
    return User(spec.user, spec.uid, tuple(spec.groups), spec.extra)


async def _decide(api: API, user: User, obj: Any) -> None:
    resource, path = obj.spec.resourceAttributes, obj.spec.nonResourceAttributes
    info = _resource_info(resource) if resource is not None else _path_info(path)
    authorizer = api.authorizer
    obj.status = status = SubjectAccessReviewStatus(allowed=await settled(lambda: authorizer.allows(user, info)))
    status.denied = not status.allowed and await settled(lambda: authorizer.denies(user, info))
    status.reason = await settled(lambda: authorizer.reason(user, info))
    errors = [await settled(lambda: authorizer.error(user, info)), *(unreadable(resource) if resource else ())]
    status.evaluationError = "; ".join(filter(None, errors))


def _resource_info(asked: ResourceAttributes) -> RequestInfo:
    return RequestInfo(
        path="", verb=asked.verb, is_resource=True, group=asked.group, version=asked.version,
        namespace=asked.namespace, resource=asked.resource, subresource=asked.subresource, name=asked.name,
        field_selector=written_field_selector(asked.fieldSelector),
        label_selector=written_label_selector(asked.labelSelector),
    )  # fmt: skip


def _path_info(asked: NonResourceAttributes) -> RequestInfo:
    return RequestInfo(path=asked.path, verb=asked.verb)


# --- validation


def _refuse(errors: list[FieldError]) -> None:
    if errors:
        raise invalid(AUTHORIZATION_V1.group, "", "", errors)


def _validate_spec(spec: Any) -> Iterator[FieldError]:
    resource, path = spec.resourceAttributes, spec.nonResourceAttributes
    if resource is not None and path is not None:
        detail = "cannot be specified in combination with resourceAttributes"
        yield invalid_value("spec.nonResourceAttributes", internal(path), detail)
    if resource is None and path is None:
        detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        yield invalid_value("spec.resourceAttributes", None, detail)
    if resource is not None:
        yield from _validate_selectors(resource, "spec.resourceAttributes")


def _validate_user(spec: Any) -> Iterator[FieldError]:
    if not spec.user and not spec.groups:
        yield invalid_value("spec.user", "", "at least one of user or group must be specified")


def _validate_selectors(resource: ResourceAttributes, path: str) -> Iterator[FieldError]:
    for name, selector in (("fieldSelector", resource.fieldSelector), ("labelSelector", resource.labelSelector)):
        if selector is None:
            continue
        where = f"{path}.{name}"
        if selector.rawSelector and selector.requirements:
            detail = "may not specified at the same time as requirements"
            yield invalid_value(f"{where}.rawSelector", selector.rawSelector, detail)
        if not selector.rawSelector and not selector.requirements:
            detail = f"when {where} is specified, requirements or rawSelector is required"
            yield required(f"{where}.requirements", detail)
    if resource.fieldSelector is not None:
        for index, requirement in enumerate(resource.fieldSelector.requirements):
            where = f"{path}.fieldSelector.requirements[{index}]"
            if not requirement.key:
                yield required(f"{where}.key", "must be specified")
            yield from validate_operator(requirement, where, any_operator=True)
    if resource.labelSelector is not None:
        for index, condition in enumerate(resource.labelSelector.requirements):
            where = f"{path}.labelSelector.requirements[{index}]"
            yield from validate_requirement(condition, where, any_operator=True)


def _validate_metadata(metadata: ObjectMeta, namespace: str = "") -> Iterator[FieldError]:
    if {**metadata.to_dict(), "managedFields": None} != {"managedFields": None, **_only(namespace)}:
        detail = "must be empty except for namespace" if namespace else "must be empty"
        yield invalid_value("metadata", metadata_form(metadata), detail)


def _only(namespace: str) -> dict[str, str]:
    return {"namespace": namespace} if namespace else {}
