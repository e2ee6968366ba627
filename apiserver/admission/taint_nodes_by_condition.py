"""TaintNodesByCondition: a new node takes no pods before it has said that it is ready."""

from __future__ import annotations

from api.core_v1 import Node, Taint
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest

_NOT_READY = "node.kubernetes.io/not-ready"


class TaintNodesByCondition(AdmissionPlugin):
    name = "TaintNodesByCondition"

    def mutate(self, request: AdmissionRequest) -> None:
        if request.resource.model is not Node or request.operation != "CREATE" or request.subresource:
            return
        spec = request.object.spec
        if not any(taint.key == _NOT_READY and taint.effect == "NoSchedule" for taint in spec.taints):
            spec.taints = [*spec.taints, Taint(key=_NOT_READY, effect="NoSchedule")]
