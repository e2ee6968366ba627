"""LimitRanger: what containers get that do not say what they need, and how much a pod or a claim may ask for.

https://kubernetes.io/docs/concepts/policy/limit-range/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from api.core_v1 import Container, Pod
from api.quantity import parse
from api.resources import pod_total
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest

if TYPE_CHECKING:
    from api.core_v1 import LimitRange, LimitRangeItem

Amounts = Mapping[str, str]

_ANNOTATION = "kubernetes.io/limit-ranger"
_CLAIMS = "persistentvolumeclaims"


class LimitRanger(AdmissionPlugin):
    name = "LimitRanger"

    def mutate(self, request: AdmissionRequest) -> None:
        if request.resource.model is not Pod or request.operation != "CREATE" or request.subresource:
            return
        for limits in _limit_ranges(request):
            _fill_in(request.object, limits)

    def validate(self, request: AdmissionRequest) -> None:
        subject = (request.resource.group_resource, request.subresource, request.operation)
        if subject in (("pods", "", "CREATE"), ("pods", "resize", "UPDATE")):
            complaints: Callable[[Any, LimitRangeItem], Iterator[str]] = _pod_complaints
        elif subject in ((_CLAIMS, "", "CREATE"), (_CLAIMS, "", "UPDATE")):
            complaints = _claim_complaints
        else:
            return
        if request.old_object is not None and request.old_object.metadata.deletionTimestamp is not None:
            return
        for limits in _limit_ranges(request):
            found = list(
                dict.fromkeys(text for item in limits.spec.limits for text in complaints(request.object, item))
            )
            if found:
                raise request.forbidden(found[0] if len(found) == 1 else f"[{', '.join(found)}]")


def _limit_ranges(request: AdmissionRequest) -> Sequence[LimitRange]:
    from api.core_v1 import LimitRange  # few namespaces have one

    return request.context.peek_all(LimitRange, request.namespace)


def _fill_in(pod: Pod, limits: LimitRange) -> None:
    """Give containers the default limits and requests, and note in the pod what was given."""
    items = [item for item in limits.spec.limits if item.type == "Container"]
    given = {
        "request": ("requests", {k: v for item in items for k, v in item.defaultRequest.items()}),
        "limit": ("limits", {k: v for item in items for k, v in item.default.items()}),
    }
    notes = []
    for kind, containers in (("container", pod.spec.containers), ("init container", pod.spec.initContainers)):
        for container in containers:
            for word, (part, defaults) in given.items():
                amounts = getattr(container.resources, part)
                missing = [name for name in defaults if name not in amounts]
                amounts.update((name, defaults[name]) for name in missing)
                if missing:
                    notes.append(f"{', '.join(sorted(missing))} {word} for {kind} {container.name}")
    if notes:
        pod.metadata.annotations[_ANNOTATION] = "LimitRanger plugin set: " + "; ".join(notes)


def _pod_complaints(pod: Pod, item: LimitRangeItem) -> Iterator[str]:
    if item.type == "Container":
        containers: list[Container] = [*pod.spec.containers, *pod.spec.initContainers]
        for container in containers:
            yield from _complaints(item, container.resources.requests, container.resources.limits)
    elif item.type == "Pod":
        yield from _complaints(item, pod_total(pod.spec), pod_total(pod.spec, "limits"))


def _claim_complaints(claim: Any, item: LimitRangeItem) -> Iterator[str]:
    if item.type != "PersistentVolumeClaim":
        return
    requests: Amounts = claim.spec.resources.requests
    for name, least in sorted(item.min.items()):
        yield from _minimum(item.type, name, least, requests, {})
    for name, most in sorted(item.max.items()):
        yield from _maximum(item.type, name, most, "request", requests)


def _complaints(item: LimitRangeItem, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, least in sorted(item.min.items()):
        yield from _minimum(item.type, name, least, requests, limits)
    for name, most in sorted(item.max.items()):
        yield from list(_maximum(item.type, name, most, "limit", limits)) or (
            _maximum(item.type, name, most, "request", requests) if name in requests else ()
        )
    for name, ratio in sorted(item.maxLimitRequestRatio.items()):
        yield from _ratio(item.type, name, ratio, requests, limits)


def _minimum(kind: str, name: str, least: str, requests: Amounts, limits: Amounts) -> Iterator[str]:
    rule = f"minimum {name} usage per {kind} is {least}"
    if name not in requests:
        yield f"{rule}.  No request is specified"
    elif parse(requests[name]) < parse(least):
        yield f"{rule}, but request is {requests[name]}"
    elif name in limits and parse(limits[name]) < parse(least):
        yield f"{rule}, but limit is {limits[name]}"


def _maximum(kind: str, name: str, most: str, what: str, amounts: Amounts) -> Iterator[str]:
    rule = f"maximum {name} usage per {kind} is {most}"
    if name not in amounts:
        yield f"{rule}.  No {what} is specified"
    elif parse(amounts[name]) > parse(most):
        yield f"{rule}, but {what} is {amounts[name]}"


def _ratio(kind: str, name: str, most: str, requests: Amounts, limits: Amounts) -> Iterator[str]:
    rule = f"{name} max limit to request ratio per {kind} is {most}"
    request, limit = parse(requests.get(name, "0")), parse(limits.get(name, "0"))
    if not request:
        yield f"{rule}, but no request is specified or request is 0"
    elif not limit:
        yield f"{rule}, but no limit is specified or limit is 0"
    elif limit / request > parse(most):
        yield f"{rule}, but provided ratio is {limit / request:.6f}"
