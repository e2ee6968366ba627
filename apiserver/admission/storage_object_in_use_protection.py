"""StorageObjectInUseProtection: volumes and claims stay while somebody uses them; controllers take the mark away.

https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection
"""

from __future__ import annotations

from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest

_FINALIZERS = {
    "persistentvolumes": "kubernetes.io/pv-protection",
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "volumeattributesclasses.storage.k8s.io": "kubernetes.io/vac-protection",
}


class StorageObjectInUseProtection(AdmissionPlugin):
    name = "StorageObjectInUseProtection"

    def mutate(self, request: AdmissionRequest) -> None:
        finalizer = _FINALIZERS.get(request.resource.group_resource)
        if finalizer is None or not request.creates(request.resource.group_resource):
            return
        metadata = request.object.metadata
        if finalizer not in metadata.finalizers:
            metadata.finalizers = [*metadata.finalizers, finalizer]
