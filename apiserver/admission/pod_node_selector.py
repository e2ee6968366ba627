"""PodNodeSelector: the pods of a namespace run on the nodes that are meant for it.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#podnodeselector
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from api.core_v1 import Namespace, Pod
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest
from apiserver.configuration_file import ConfigurationError
from apiserver.registry.labels import validate_labels

_ANNOTATION = "scheduler.alpha.kubernetes.io/node-selector"
_DEFAULT = "clusterDefaultNodeSelector"
_CONFLICT = "pod node label selector conflicts with its namespace node label selector"


class PodNodeSelector(AdmissionPlugin):
    name = "PodNodeSelector"

    def __init__(self, selectors: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """`selectors`: by namespace the labels its pods may ask for; `_DEFAULT` is for namespaces that name none."""
        self._selectors = selectors or {}

    @classmethod
    def configured(cls, configuration: Mapping[str, Any] | None) -> Self:
        texts = (configuration or {}).get("podNodeSelectorPluginConfig") or {}
        try:
            return cls({name: parse_labels(text) for name, text in texts.items()})
        except ValueError as error:
            raise ConfigurationError(f"podNodeSelectorPluginConfig: {error}") from None

    def mutate(self, request: AdmissionRequest) -> None:
        if not request.creates("pods"):
            return
        pod: Pod = request.object
        wanted = self._selector_of(request)
        if _conflict(wanted, pod.spec.nodeSelector):
            raise request.forbidden(_CONFLICT)
        pod.spec.nodeSelector = {**wanted, **pod.spec.nodeSelector}

    def validate(self, request: AdmissionRequest) -> None:
        if not request.creates("pods"):
            return
        chosen = request.object.spec.nodeSelector
        if _conflict(self._selector_of(request), chosen):
            raise request.forbidden(_CONFLICT)
        allowed = self._selectors.get(request.namespace)
        if allowed and not chosen.items() <= allowed.items():
            raise request.forbidden("pod node label selector labels conflict with its namespace whitelist")

    def _selector_of(self, request: AdmissionRequest) -> Mapping[str, str]:
        namespace = request.context.peek(Namespace, "", request.namespace)
        text = None if namespace is None else namespace.metadata.annotations.get(_ANNOTATION)
        if text is None:
            return self._selectors.get(_DEFAULT, {})
        try:
            return parse_labels(text)
        except ValueError as error:
            raise request.forbidden(str(error)) from None


def parse_labels(text: str) -> dict[str, str]:
    """`a=b,c=d` as a map.  Raises ValueError."""
    found = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or "=" in value:
            raise ValueError(f"invalid selector: {text}")
        found[key.strip()] = value.strip()
    for error in validate_labels(found, "<nil>"):
        raise ValueError(str(error))
    return found


def _conflict(some: Mapping[str, str], others: Mapping[str, str]) -> bool:
    return any(others.get(key, value) != value for key, value in some.items())
