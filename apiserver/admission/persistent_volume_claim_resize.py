"""PersistentVolumeClaimResize: a claim can only grow if its storage class says that its volumes can.

https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims
"""

from __future__ import annotations

from api.quantity import parse
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest


class PersistentVolumeClaimResize(AdmissionPlugin):
    name = "PersistentVolumeClaimResize"

    def validate(self, request: AdmissionRequest) -> None:
        subject = (request.resource.group_resource, request.subresource, request.operation)
        if subject != ("persistentvolumeclaims", "", "UPDATE"):
            return
        new, old = request.object, request.old_object
        size, former = (parse(claim.spec.resources.requests.get("storage", "0")) for claim in (new, old))
        if size <= former:
            return
        if old.status.phase != "Bound":
            raise request.forbidden("Only bound persistent volume claims can be expanded")
        if not _may_grow(request):
            raise request.forbidden(
                "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc "
                "must support resize"
            )


def _may_grow(request: AdmissionRequest) -> bool:
    from api.storage_class import storage_class
    from api.storage_v1 import StorageClass

    now, before = (
        storage_class(claim.metadata, claim.spec.storageClassName) for claim in (request.object, request.old_object)
    )
    found = request.context.peek(StorageClass, "", now) if now and now == before else None
    return found is not None and bool(found.allowVolumeExpansion)
