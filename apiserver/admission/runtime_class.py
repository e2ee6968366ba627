"""RuntimeClass: what a pod's runtime costs beyond its containers.

https://kubernetes.io/docs/concepts/containers/runtime-class/  No runtime classes are served: none is ever found.
"""

from __future__ import annotations

from api.core_v1 import Pod
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest


class RuntimeClass(AdmissionPlugin):
    name = "RuntimeClass"

    def validate(self, request: AdmissionRequest) -> None:
        if request.resource.model is not Pod or request.operation != "CREATE" or request.subresource:
            return
        spec = request.object.spec
        if spec.runtimeClassName is not None:
            raise request.forbidden(f'pod rejected: RuntimeClass "{spec.runtimeClassName}" not found')
        if spec.overhead:
            raise request.forbidden(
                "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            )
