"""APIServices: who serves which group version.

https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from api.apiregistration_v1 import APIService, APIServiceCondition, APIServiceStatus
from api.errors import FieldError, invalid_value, not_supported, required
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.names import dns1035, path_segment, port_number, subdomain
from apiserver.registry.strategy import Column, Context, Status, Strategy

_PORT = 443
_AVAILABLE = "Available"
_STATUSES = ("True", "False", "Unknown")
_MOST_GROUP_PRIORITY = 20000
_MOST_VERSION_PRIORITY = 1000


@dataclass(frozen=True)
class APIServiceStatusUpdate(Status):
    """`/status` of APIServices: whether the server can be reached."""

    writes_metadata = False

    def validate_update(self, new: APIService, old: APIService) -> Iterable[FieldError]:
        for index, condition in enumerate(new.status.conditions):
            if condition.status not in _STATUSES:
                yield not_supported(f"status.conditions[{index}].status", condition.status, _STATUSES)


class APIServices(Strategy[APIService]):
    resource = resource_of(APIService)
    unconditional_update = False
    subresources = (APIServiceStatusUpdate(),)
    columns = (
        NAME,
        Column("Service", lambda a, now: _service(a), description="Who serves it."),
        Column("Available", lambda a, now: _available(a), description="Whether the server can be reached."),
        AGE,
    )

    def default(self, obj: APIService) -> None:
        if obj.spec.service is not None and obj.spec.service.port is None:
            obj.spec.service.port = _PORT

    def prepare_for_create(self, new: APIService, context: Context) -> None:
        new.status = APIServiceStatus()
        if new.spec.service is None:
            local = APIServiceCondition(
                type=_AVAILABLE,
                status="True",
                lastTransitionTime=context.now.replace(microsecond=0),
                reason="Local",
                message="Local APIServices are always available",
            )
            new.status.conditions = [local]

    def prepare_for_update(self, new: APIService, old: APIService, context: Context) -> None:
        new.status = old.status

    def validate_name(self, name: str, prefix: bool = False) -> Iterable[str]:
        return path_segment(name)

    def validate(self, new: APIService) -> Iterator[FieldError]:
        spec, name = new.spec, new.metadata.name
        wanted = f"{spec.version}.{spec.group}"
        if name and name != wanted and not path_segment(name):
            yield invalid_value("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{wanted}"')
        if not spec.group:
            if spec.version != "v1":
                yield required("spec.group", "only v1 may have an empty group and it better be legacy kube")
        else:
            for complaint in subdomain(spec.group):
                yield invalid_value("spec.group", spec.group, complaint)
        for complaint in dns1035(spec.version):
            yield invalid_value("spec.version", spec.version, complaint)
        for field, most in (
            ("groupPriorityMinimum", _MOST_GROUP_PRIORITY),
            ("versionPriority", _MOST_VERSION_PRIORITY),
        ):
            priority = getattr(spec, field)
            if not 0 < priority <= most:
                yield invalid_value(f"spec.{field}", priority, f"must be positive and less than {most}")
        yield from _validate_service(new)


def _validate_service(new: APIService) -> Iterator[FieldError]:
    spec, service = new.spec, new.spec.service
    where = "spec.insecureSkipTLSVerify"
    if service is None:
        if spec.caBundle:
            size = len(base64.b64decode(spec.caBundle))
            yield invalid_value("spec.caBundle", f"{size} bytes", "local APIServices may not have a caBundle")
        if spec.insecureSkipTLSVerify:
            yield invalid_value(where, True, "local APIServices may not have insecureSkipTLSVerify")
        return
    if not service.namespace:
        yield required("spec.service.namespace")
    if not service.name:
        yield required("spec.service.name")
    port = service.port or 0
    for complaint in port_number(port):
        yield invalid_value("spec.service.port", port, f"port is not valid: {complaint}")
    if spec.insecureSkipTLSVerify and spec.caBundle:
        yield invalid_value(where, True, "may not be true if caBundle is present")


def _service(api: APIService) -> str:
    service = api.spec.service
    return "Local" if service is None else f"{service.namespace}/{service.name}"


def _available(api: APIService) -> str:
    for condition in api.status.conditions:
        if condition.type == _AVAILABLE:
            return "True" if condition.status == "True" else f"{condition.status} ({condition.reason})"
    return "Unknown"
