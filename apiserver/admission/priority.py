"""Priority: a pod's priority class becomes its priority.

https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
"""

from __future__ import annotations

from typing import Any

from api.core_v1 import Pod
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest

_CLASSES = "priorityclasses.scheduling.k8s.io"
_LOWER = "PreemptLowerPriority"


class Priority(AdmissionPlugin):
    name = "Priority"

    def mutate(self, request: AdmissionRequest) -> None:
        if request.resource.model is not Pod or request.subresource:
            return
        spec = request.object.spec
        if request.operation == "UPDATE":
            # A client that leaves out what was worked out for the pod does not mean to change it.
            former = request.old_object.spec
            if spec.priority is None:
                spec.priority = former.priority
            if spec.preemptionPolicy is None:
                spec.preemptionPolicy = former.preemptionPolicy
            return
        if request.operation != "CREATE":
            return
        spec.priorityClassName, priority, policy = _resolve(request, spec.priorityClassName)
        if spec.priority is not None and spec.priority != priority:
            raise request.forbidden(
                f"the integer value of priority ({spec.priority}) must not be provided in pod spec; "
                f"priority admission controller computed {priority} from the given PriorityClass name"
            )
        spec.priority = priority
        if spec.preemptionPolicy is not None and spec.preemptionPolicy != policy:
            raise request.forbidden(
                f"the string value of PreemptionPolicy ({spec.preemptionPolicy}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name"
            )
        spec.preemptionPolicy = policy

    def validate(self, request: AdmissionRequest) -> None:
        if request.resource.group_resource != _CLASSES:
            return
        if request.operation == "DELETE":
            from apiserver.registry.priority_classes import SYSTEM_CLASSES

            if request.name in SYSTEM_CLASSES:
                raise request.forbidden("this is a system priority class and cannot be deleted")
        elif request.object.globalDefault:
            default = _global_default(request)
            if default is not None and default.metadata.name != request.name:
                raise request.forbidden(
                    f"PriorityClass {default.metadata.name} is already marked as default. Only one default can exist"
                )


def _global_default(request: AdmissionRequest) -> Any | None:
    """The class of pods that name none; of several, which only a race can bring, the least important."""
    from api.scheduling_v1 import PriorityClass

    defaults = [each for each in request.context.peek_all(PriorityClass, "") if each.globalDefault]
    return min(defaults, key=lambda each: each.value, default=None)


def _resolve(request: AdmissionRequest, name: str) -> tuple[str, int, str]:
    """The class a pod gets that names this one, or (empty) none; its value and preemption policy."""
    from api.scheduling_v1 import PriorityClass

    if not name:
        found = _global_default(request)
        if found is None:
            return "", 0, _LOWER
    else:
        found = request.context.peek(PriorityClass, "", name)
        if found is None:
            # A new cluster's system classes count before they are there.
            from apiserver.registry.priority_classes import SYSTEM_CLASSES

            if name not in SYSTEM_CLASSES:
                raise request.forbidden(f"no PriorityClass with name {name} was found")
            return name, SYSTEM_CLASSES[name][0], _LOWER
    return found.metadata.name, found.value, found.preemptionPolicy or _LOWER
