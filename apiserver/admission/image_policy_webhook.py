"""ImagePolicyWebhook: somebody else decides which images may run, asked by ImageReview.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#imagepolicywebhook
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import orjson

from api.core_v1 import Pod
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest
from apiserver.configuration_file import ConfigurationError
from apiserver.webhook_client import CallError, Target

if TYPE_CHECKING:
    from apiserver.answer_cache import AnswerCache
    from apiserver.endpoint import API

_VERSION = "imagepolicy.k8s.io/v1alpha1"
_OF_PODS = ".image-policy.k8s.io/"
_FAILED_OPEN = "alpha.image-policy.k8s.io/failed-open"
_AUDIT = "imagepolicywebhook.image-policy.k8s.io/"
_TIMEOUT = 30.0  # seconds
_TTL = {"allowTTL": 300, "denyTTL": 30}
_LONGEST_TTL = 1800
_REMEMBERED = 1024
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """Times are in seconds; 0 keeps no answer.  `default_allow`: whether images may run when there is no answer."""

    target: Target
    allow_ttl: float = 300
    deny_ttl: float = 30
    default_allow: bool = False


class ImagePolicyWebhook(AdmissionPlugin):
    """Asked before others about new pods, and after them about the images of containers that pods get later."""

    name = "ImagePolicyWebhook"
    prepares = reserves = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept: AnswerCache[dict[str, Any]] | None = None

    @classmethod
    def configured(cls, configuration: Mapping[str, Any] | None) -> Self:
        given = (configuration or {}).get("imagePolicy")
        if not isinstance(given, dict) or not given.get("kubeConfigFile"):
            raise ConfigurationError("ImagePolicyWebhook: imagePolicy.kubeConfigFile is missing")
        from apiserver.webhook_kubeconfig import target_of_kubeconfig

        allow, deny = (_ttl(given, name) for name in _TTL)
        target = target_of_kubeconfig(Path(given["kubeConfigFile"]))
        return cls(Settings(target, allow, deny, bool(given.get("defaultAllow"))))

    async def prepare(self, request: AdmissionRequest, api: API) -> None:
        if request.creates("pods"):
            pod: Pod = request.object
            await self._review(request, api, [each.image for each in (*pod.spec.containers, *pod.spec.initContainers)])

    async def reserve(self, request: AdmissionRequest, api: API) -> None:
        if request.resource.model is not Pod or request.operation != "UPDATE":
            return
        spec = request.object.spec
        if request.subresource == "ephemeralcontainers":
            await self._review(request, api, [each.image for each in spec.ephemeralContainers])
        elif not request.subresource:
            await self._review(request, api, [each.image for each in (*spec.containers, *spec.initContainers)])

    async def _review(self, request: AdmissionRequest, api: API, images: list[str]) -> None:
        """Raises Forbidden."""
        annotations = {key: value for key, value in request.object.metadata.annotations.items() if _OF_PODS in key}
        spec: dict[str, Any] = {"containers": [{"image": image} for image in images]}
        if annotations:
            spec["annotations"] = annotations
        spec["namespace"] = request.namespace
        try:
            status = await self._status(api, spec)
        except CallError as error:
            log.warning("the image policy webhook gave no answer: %s", error)
            if not self._settings.default_allow:
                raise request.forbidden(str(error)) from None
            request.audit_annotations[f"{_AUDIT}failed-open"] = "true"
            if request.operation == "CREATE":
                metadata = request.object.metadata
                metadata.annotations = {**metadata.annotations, _FAILED_OPEN: "true"}
            return
        for key, value in (status.get("auditAnnotations") or {}).items():
            request.audit_annotations[_AUDIT + key] = value
        if not status.get("allowed"):
            reason = status.get("reason")
            raise request.forbidden(
                f"image policy webhook backend denied one or more images: {reason}"
                if reason
                else "one or more images rejected by webhook backend"
            )

    async def _status(self, api: API, spec: dict[str, Any]) -> dict[str, Any]:
        """Raises CallError."""
        from apiserver.answer_cache import AnswerCache
        from apiserver.webhook_review import review_status

        if self._kept is None:
            self._kept = AnswerCache(api.clock, _REMEMBERED)
        question = orjson.dumps(spec)
        status = self._kept.get(question)
        if status is None:
            settings = self._settings
            review = {"kind": "ImageReview", "apiVersion": _VERSION, "metadata": {}, "spec": spec, "status": {}}
            status = await review_status(api.webhook_client, api.clock, settings.target, review, _TIMEOUT)
            seconds = settings.allow_ttl if status.get("allowed") else settings.deny_ttl
            self._kept.keep(question, status, seconds)
        return status


def _ttl(given: Mapping[str, Any], name: str) -> float:
    """Seconds; -1 in the file keeps nothing.  Raises ConfigurationError."""
    value = given.get(name) or _TTL[name]
    if value == -1:
        return 0
    if not isinstance(value, int) or not 1 <= value <= _LONGEST_TTL:
        raise ConfigurationError(f"ImagePolicyWebhook: imagePolicy.{name} must be between 1 and {_LONGEST_TTL} seconds")
    return value
