"""Priority: a pod's priority class becomes its priority.

https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
"""

from __future__ import annotations

from api.core_v1 import Pod
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest

SYSTEM_CLASSES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
"""The two classes that every cluster has."""

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
        priority = self._priority_of(request, spec.priorityClassName)
        if spec.priority is not None and spec.priority != priority:
            raise request.forbidden(
                f"the integer value of priority ({spec.priority}) must not be provided in pod spec; "
                f"priority admission controller computed {priority} from the given PriorityClass name"
            )
        spec.priority = priority
        if spec.preemptionPolicy is not None and spec.preemptionPolicy != _LOWER:
            raise request.forbidden(
                f"the string value of PreemptionPolicy ({spec.preemptionPolicy}) must not be provided in pod spec; "
                f"priority admission controller computed {_LOWER} from the given PriorityClass name"
            )
        spec.preemptionPolicy = _LOWER

    def _priority_of(self, request: AdmissionRequest, name: str) -> int:
        if not name:
            return 0
        if name not in SYSTEM_CLASSES:
            raise request.forbidden(f"no PriorityClass with name {name} was found")
        return SYSTEM_CLASSES[name]
