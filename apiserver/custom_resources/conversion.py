"""Objects of one version turned into those of another by a webhook.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#webhook-conversion
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import orjson

from api.apiextensions_v1 import WebhookConversion
from api.errors import StatusError
from api.quoting import quoted
from apiserver.custom_resources.definition import Version
from apiserver.registry.labels import validate_labels
from apiserver.registry.object_meta import validate_annotations
from apiserver.registry.webhook_clients import ACCEPTED_VERSIONS
from apiserver.webhook_client import CallError, WebhookClient, target_of

Object = dict[str, Any]
_TIMEOUT = 30.0
_GROUP = "apiextensions.k8s.io"
_CHANGEABLE = ("labels", "annotations")
"""What of metadata a webhook may change; the rest is put back, and some of it must not even look changed."""


async def convert(
    webhook: WebhookConversion, client: WebhookClient, objects: Sequence[Object], source: Version, target: Version
) -> list[Object]:
    """The objects, which are whole and of the version `source`, in the version `target`.

    Raises StatusError (500) where the webhook gives no answer that can be used.
    """
    kind = f"{source.api_version}, Kind={source.kind}"
    failed = f"conversion webhook for {kind} failed"
    uid = str(uuid.uuid4())
    version = next(each for each in webhook.conversionReviewVersions if each in ACCEPTED_VERSIONS)
    head = {"kind": "ConversionReview", "apiVersion": f"{_GROUP}/{version}"}
    request = {"uid": uid, "desiredAPIVersion": target.api_version, "objects": list(objects)}
    assert webhook.clientConfig is not None
    try:
        answer = await client.post_json(
            target_of(webhook.clientConfig), orjson.dumps({**head, "request": request}), timeout=_TIMEOUT
        )
        converted = _converted(answer, head, uid)
    except (CallError, ValueError) as error:
        raise StatusError(f"{failed}: {error}") from None
    if len(converted) != len(objects):
        count = f"{len(converted)} objects, expected {len(objects)}"
        raise StatusError(f"conversion webhook for {kind} returned {count}")
    for index, (before, after) in enumerate(zip(objects, converted, strict=True)):
        if problem := _judge(before, after, target):
            raise StatusError(f"conversion webhook for {kind} returned invalid {problem.format(index)}")
        after["metadata"] = {**before["metadata"], **_of_its_own(after["metadata"])}
        for name in _CHANGEABLE:
            if not after["metadata"].get(name):
                after["metadata"].pop(name, None)
    return converted


def _converted(answer: bytes, head: Object, uid: str) -> list[Any]:
    """The objects of an answer.  Raises ValueError."""
    review = orjson.loads(answer)
    if not isinstance(review, dict) or {name: review.get(name) for name in head} != head:
        raise ValueError(f"expected webhook response of {head['apiVersion']}, Kind={head['kind']}")
    response = review.get("response")
    if not isinstance(response, dict):
        raise ValueError("no response provided")
    if response.get("uid") != uid:
        raise ValueError(f"expected response.uid={quoted(uid)}, got {quoted(str(response.get('uid') or ''))}")
    result = response.get("result")
    status = result.get("status") if isinstance(result, dict) else ""
    if status != "Success":
        message = result.get("message") if isinstance(result, dict) else ""
        raise ValueError(message or f"response.result.status was '{status or ''}', not 'Success'")
    objects = response.get("convertedObjects") or []
    if not isinstance(objects, list):
        raise ValueError("response.convertedObjects is no list")
    return objects


def _judge(before: Object, after: Any, target: Version) -> str:
    """What is wrong with a converted object, with a place for its index; empty when nothing is."""
    where = "converted object at index {}: "
    if not isinstance(after, dict) or not isinstance(after.get("metadata"), dict):
        return where + "it is no object with metadata"
    if after.get("apiVersion") != target.api_version:
        return where + f"invalid groupVersion (expected {target.api_version}, received {after.get('apiVersion')})"
    if after.get("kind") != before["kind"]:
        return where + f"invalid kind (expected {before['kind']}, received {after.get('kind')})"
    old, new = before["metadata"], after["metadata"]
    for name in ("name", "namespace", "uid"):
        if (new.get(name) or "") != (old.get(name) or ""):
            return where + f"must have the same {name}: {new.get(name) or ''} != {old.get(name) or ''}"
    for name in _CHANGEABLE:
        given = new.get(name) or {}
        if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
            return f"metadata in object at index {{}}: {name} must be strings"
    problems = [
        *validate_labels(new.get("labels") or {}, "metadata.labels"),
        *validate_annotations(new.get("annotations") or {}, "metadata.annotations"),
    ]
    return "metadata in object at index {}: " + str(problems[0]).replace("{", "(").replace("}", ")") if problems else ""


def _of_its_own(metadata: Object) -> Object:
    return {name: metadata.get(name) or {} for name in _CHANGEABLE}
