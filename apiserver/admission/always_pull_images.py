"""AlwaysPullImages: whoever names an image must be allowed to pull it, even where the node has it already.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#alwayspullimages
"""

from __future__ import annotations

from api.core_v1 import Pod
from api.errors import not_supported
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest
from apiserver.registry.pod_annotations import all_containers

_ALWAYS = "Always"


class AlwaysPullImages(AdmissionPlugin):
    name = "AlwaysPullImages"

    def mutate(self, request: AdmissionRequest) -> None:
        if not _brings_images(request):
            return
        pod: Pod = request.object
        for _, container in all_containers(pod.spec, ""):
            container.imagePullPolicy = _ALWAYS
        for volume in pod.spec.volumes:
            if volume.image is not None:
                volume.image.pullPolicy = _ALWAYS

    def validate(self, request: AdmissionRequest) -> None:
        if not _brings_images(request):
            return
        for path, container in all_containers(request.object.spec, "spec"):
            policy = container.imagePullPolicy
            if policy != _ALWAYS:
                raise request.forbidden(str(not_supported(f"{path}.imagePullPolicy", policy, (_ALWAYS,))))


def _brings_images(request: AdmissionRequest) -> bool:
    if request.resource.model is not Pod or request.subresource:
        return False
    if request.operation == "UPDATE":
        return not _images(request.object) <= _images(request.old_object)
    return request.operation == "CREATE"


def _images(pod: Pod) -> set[str]:
    volumes = (volume.image.reference for volume in pod.spec.volumes if volume.image is not None)
    return {*(container.image for _, container in all_containers(pod.spec, "")), *volumes}
