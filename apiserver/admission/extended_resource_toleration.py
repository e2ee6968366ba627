"""ExtendedResourceToleration: who asks for a special resource may run on the nodes that are kept for it.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#extendedresourcetoleration
"""

from __future__ import annotations

from api.core_v1 import Pod, Toleration
from api.resources import is_extended
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest


class ExtendedResourceToleration(AdmissionPlugin):
    name = "ExtendedResourceToleration"

    def mutate(self, request: AdmissionRequest) -> None:
        if request.resource.model is not Pod or request.subresource or request.operation not in ("CREATE", "UPDATE"):
            return
        spec = request.object.spec
        containers = (*spec.containers, *spec.initContainers)
        wanted = {name for container in containers for name in container.resources.requests if is_extended(name)}
        tolerations = spec.tolerations
        for name in sorted(wanted):
            added = Toleration(key=name, operator="Exists", effect="NoSchedule")
            if not any(_is_alike(each, added) for each in tolerations):
                tolerations = [*tolerations, added]
        if tolerations is not spec.tolerations:
            request.object.spec = spec.model_copy(update={"tolerations": tolerations})


def _is_alike(some: Toleration, other: Toleration) -> bool:
    return (some.key, some.operator, some.effect, some.value) == (other.key, other.operator, other.effect, other.value)
