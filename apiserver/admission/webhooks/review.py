"""The question that is put to a webhook, an AdmissionReview, and the reading of its answer.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#webhook-request-and-response
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import orjson
import pydantic

from api.admission_v1 import AdmissionResponse, AdmissionReview
from api.quoting import quoted
from api.schema import schema_of
from api.scheme import GroupVersion
from apiserver.admission.attributes import Attributes
from apiserver.admission.description import describe
from apiserver.admission.matching import Match
from apiserver.go_errors import syntax_error, type_error

_GROUP = "admission.k8s.io"
_VERSIONS = ("v1", "v1beta1")
_PATCH_TYPE = "JSONPatch"


class BadAnswer(Exception):
    """A webhook's answer that cannot be used."""


class Undecodable(BadAnswer):
    """It is not even an answer to anything."""


def chosen_version(accepted: Sequence[str]) -> str | None:
    """The version to ask in: the first that the webhook and this server both know."""
    return next((version for version in accepted if version in _VERSIONS), None)


def question(version: str, uid: str, attributes: Attributes, shown: Match) -> bytes:
    request = {
        "uid": uid,
        **describe(attributes, shown),
        "object": attributes.object(shown.kind),
        "oldObject": attributes.old_object(shown.kind),
    }
    return orjson.dumps({"kind": "AdmissionReview", "apiVersion": f"{_GROUP}/{version}", "request": request})


def read_answer(body: bytes, version: str, uid: str, *, mutating: bool) -> AdmissionResponse:
    """The answer to the question of that uid.  Raises BadAnswer, Undecodable."""
    review = _decoded(body, version)
    response = review.response
    if response is None:
        raise BadAnswer("webhook response was absent")
    if version != "v1":  # whose rules were laxer
        response.patchType = _PATCH_TYPE if response.patch and mutating else None
        response.patch = response.patch if mutating else ""
        return response
    if response.uid != uid:
        raise BadAnswer(f"expected response.uid={quoted(uid)}, got {quoted(response.uid)}")
    if (review.apiVersion, review.kind) != (f"{_GROUP}/{version}", "AdmissionReview"):
        found = GroupVersion.parse(review.apiVersion)
        shown = f"{found.group}/{found.version}, Kind={review.kind}"
        raise BadAnswer(f"expected webhook response of {_GROUP}/{version}, Kind=AdmissionReview, got {shown}")
    if not mutating and response.patch:
        raise BadAnswer("validating webhook may not return response.patch")
    if not mutating and response.patchType is not None:
        raise BadAnswer("validating webhook may not return response.patchType")
    if response.patch and response.patchType is None:
        raise BadAnswer("webhook returned response.patch but not response.patchType")
    if response.patchType is not None and not response.patch:
        raise BadAnswer("webhook returned response.patchType but not response.patch")
    if response.patchType == "":
        raise BadAnswer('webhook returned invalid response.patchType of ""')
    return response


def _decoded(body: bytes, version: str) -> AdmissionReview:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Undecodable(f"couldn't get version/kind; json parse error: {syntax_error(body)}") from None
    said, kind = (document.get("apiVersion"), document.get("kind")) if isinstance(document, dict) else ("", "")
    if said and kind and (said, kind) != (f"{_GROUP}/{version}", "AdmissionReview"):
        raise Undecodable(_other_kind(str(said), str(kind), version))
    problem = type_error(schema_of(AdmissionReview), document)
    if problem is None:
        try:
            return AdmissionReview.from_dict(document)
        except (pydantic.ValidationError, ValueError, TypeError) as error:
            problem = str(error)
    raise Undecodable(problem)


def _other_kind(api_version: str, kind: str, version: str) -> str:
    found = GroupVersion.parse(api_version)
    if kind == "AdmissionReview" and found.group == _GROUP and found.version in _VERSIONS:
        return f"converting ({found.version}.AdmissionReview) to ({version}.AdmissionReview): unknown conversion"
    return f'no kind "{kind}" is registered for version "{api_version}" in scheme "pkg/runtime/scheme.go:110"'


def patch_of(response: AdmissionResponse) -> bytes:
    return base64.b64decode(response.patch)
