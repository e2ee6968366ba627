"""RuntimeClass: where pods of a runtime class run, and what its runtime costs beyond their containers.

https://kubernetes.io/docs/concepts/containers/runtime-class/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from api.core_v1 import Toleration
from api.quantity import parse
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest

if TYPE_CHECKING:
    from api import node_v1

_MISMATCH = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"


class RuntimeClass(AdmissionPlugin):
    name = "RuntimeClass"

    def mutate(self, request: AdmissionRequest) -> None:
        found = _class_of(request)
        if found is None:
            return
        spec = request.object.spec
        if found.overhead is not None:
            if spec.overhead and not _same(spec.overhead, found.overhead.podFixed):
                raise request.forbidden(_MISMATCH)
            spec.overhead = dict(found.overhead.podFixed)
        if found.scheduling is None:
            return
        for key, value in sorted(found.scheduling.nodeSelector.items()):
            wanted = spec.nodeSelector.get(key, value)
            if wanted != value:
                raise request.forbidden(
                    f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                    f"pod.spec.nodeSelector[{key}] = {wanted}"
                )
        spec.nodeSelector = {**spec.nodeSelector, **found.scheduling.nodeSelector}
        spec.tolerations = merge_tolerations([*spec.tolerations, *found.scheduling.tolerations])

    def validate(self, request: AdmissionRequest) -> None:
        if not request.creates("pods"):
            return
        found = _class_of(request)
        overhead = request.object.spec.overhead
        if found is not None and found.overhead is not None:
            if not _same(overhead, found.overhead.podFixed):
                raise request.forbidden(_MISMATCH)
        elif overhead:
            raise request.forbidden(
                "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            )


def _class_of(request: AdmissionRequest) -> node_v1.RuntimeClass | None:
    """The runtime class of a new pod, if it names one.  Raises Forbidden where there is none of that name."""
    if not request.creates("pods"):
        return None
    name = request.object.spec.runtimeClassName
    if name is None:
        return None
    from api import node_v1  # few pods name one

    found: node_v1.RuntimeClass | None = request.context.peek(node_v1.RuntimeClass, "", name)
    if found is None:
        raise request.forbidden(f'pod rejected: RuntimeClass "{name}" not found')
    return found


def _same(some: dict[str, str], others: dict[str, str]) -> bool:
    return some.keys() == others.keys() and all(parse(some[name]) == parse(others[name]) for name in some)


def merge_tolerations(tolerations: Sequence[Toleration]) -> list[Toleration]:
    """Without those that another covers; of equal ones the first stays."""
    merged: list[Toleration] = []
    for index, toleration in enumerate(tolerations):
        later = (other for other in tolerations[index + 1 :] if other != toleration)
        if not any(covers(other, toleration) for other in (*merged, *later)):
            merged.append(toleration)
    return merged


def covers(wide: Toleration, narrow: Toleration) -> bool:
    """Whether one tolerates everything that the other does, for as long at least."""
    if wide == narrow:
        return True
    if wide.key != narrow.key and (wide.key or wide.operator != "Exists"):
        return False
    if wide.effect not in ("", narrow.effect):
        return False
    if wide.effect == "NoExecute" and wide.tolerationSeconds is not None:
        seconds = narrow.tolerationSeconds
        if seconds is None or seconds > wide.tolerationSeconds:
            return False
    if wide.operator in ("", "Equal"):
        return narrow.operator == "Equal" and narrow.value == wide.value
    return wide.operator == "Exists"
