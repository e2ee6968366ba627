"""ExtendedResourceToleration: who asks for a special resource may run on the nodes that are kept for it.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#extendedresourcetoleration
"""

from __future__ import annotations

from api.core_v1 import Pod, Toleration
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest
from apiserver.registry.resources import is_extended


class ExtendedResourceToleration(AdmissionPlugin):
    name = "ExtendedResourceToleration"

    def mutate(self, request: AdmissionRequest) -> None:
        if request.resource.model is not Pod or request.subresource or request.operation not in ("CREATE", "UPDATE"):
            return
        spec = request.object.spec
        containers = (*spec.containers, *spec.initContainers)
        wanted = {name for container in containers for name in container.resources.requests if is_extended(name)}
        for name in sorted(wanted):
            toleration = Toleration(key=name, operator="Exists", effect="NoSchedule")
            others = [
                each
                for each in spec.tolerations
                if (each.key, each.operator, each.effect, each.value) != (name, "Exists", "NoSchedule", "")
            ]
            if len(others) == len(spec.tolerations):
                spec.tolerations = [*others, toleration]
