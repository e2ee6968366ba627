"""PodTolerationRestriction: which taints the pods of a namespace tolerate, and which they may.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#podtolerationrestriction
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import orjson
import pydantic

from api.core_v1 import Namespace, Pod, Toleration
from api.resources import quality_of_service
from apiserver.admission.configuration import expect_kind
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest
from apiserver.admission.runtime_class import covers, merge_tolerations
from apiserver.configuration_file import ConfigurationError

_DEFAULTS = "scheduler.alpha.kubernetes.io/defaultTolerations"
_ALLOWED = "scheduler.alpha.kubernetes.io/tolerationsWhitelist"
_MEMORY_PRESSURE = Toleration(key="node.kubernetes.io/memory-pressure", operator="Exists", effect="NoSchedule")
Tolerations = Sequence[Toleration]


class PodTolerationRestriction(AdmissionPlugin):
    name = "PodTolerationRestriction"

    def __init__(self, defaults: Tolerations = (), allowed: Tolerations = ()) -> None:
        """For namespaces that say nothing themselves; where nothing is allowed in particular, everything is."""
        self._defaults = defaults
        self._allowed = allowed

    @classmethod
    def configured(cls, configuration: Mapping[str, Any] | None) -> Self:
        if configuration is None:
            return cls()
        expect_kind(configuration, "Configuration", ("podtolerationrestriction.admission.k8s.io/v1alpha1",))
        try:
            return cls(_read(configuration.get("default") or []), _read(configuration.get("whitelist") or []))
        except ValueError as error:
            raise ConfigurationError(f"PodTolerationRestriction: {error}") from None

    def mutate(self, request: AdmissionRequest) -> None:
        if not _concerns(request):
            return
        spec = request.object.spec
        tolerations: Tolerations = spec.tolerations
        if request.operation == "CREATE":
            own = _of_namespace(request, _DEFAULTS)
            tolerations = merge_tolerations([*(self._defaults if own is None else own), *tolerations])
        if quality_of_service(spec) != "BestEffort":
            tolerations = merge_tolerations([*tolerations, _MEMORY_PRESSURE])
        if tolerations != spec.tolerations:
            request.object.spec = spec.model_copy(update={"tolerations": list(tolerations)})
        self.validate(request)

    def validate(self, request: AdmissionRequest) -> None:
        if not _concerns(request):
            return
        own = _of_namespace(request, _ALLOWED)
        allowed, scope = (self._allowed, "cluster") if own is None else (own, "namespace")
        if allowed and not all(any(covers(wide, each) for wide in allowed) for each in request.object.spec.tolerations):
            raise request.forbidden(
                "pod tolerations (possibly merged with namespace default tolerations) conflict with its "
                f"{scope} whitelist"
            )


def _concerns(request: AdmissionRequest) -> bool:
    return request.resource.model is Pod and not request.subresource and request.operation in ("CREATE", "UPDATE")


def _of_namespace(request: AdmissionRequest, annotation: str) -> Tolerations | None:
    """What the namespace's annotation lists; None without one."""
    namespace = request.context.peek(Namespace, "", request.namespace)
    text = None if namespace is None else namespace.metadata.annotations.get(annotation)
    if text is None:
        return None
    try:
        return _read(orjson.loads(text) if text else [])
    except ValueError as error:
        raise request.forbidden(f"the namespace's annotation {annotation} cannot be read: {error}") from None


def _read(items: Any) -> list[Toleration]:
    """Raises ValueError."""
    if not isinstance(items, list):
        raise ValueError("not a list of tolerations")
    try:
        return [Toleration.from_dict(item) for item in items]
    except (pydantic.ValidationError, TypeError, AttributeError) as error:
        raise ValueError(str(error).splitlines()[0]) from None
