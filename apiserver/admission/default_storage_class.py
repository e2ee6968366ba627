"""DefaultStorageClass: a claim that names no storage class gets the default one, if there is one.

https://kubernetes.io/docs/concepts/storage/storage-classes/#default-storageclass
"""

from __future__ import annotations

from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest


class DefaultStorageClass(AdmissionPlugin):
    name = "DefaultStorageClass"

    def mutate(self, request: AdmissionRequest) -> None:
        if not request.creates("persistentvolumeclaims"):
            return
        # Nobody but a claim needs them: loaded with the first one.
        from api.storage_class import CLASS_ANNOTATION
        from api.storage_v1 import StorageClass
        from apiserver.registry.storage_classes import is_default

        claim = request.object
        if claim.spec.storageClassName is not None or CLASS_ANNOTATION in claim.metadata.annotations:
            return
        defaults = [each.metadata for each in request.context.peek_all(StorageClass, "") if is_default(each)]
        if defaults:
            # Of several the newest, of several as new the first by name.
            newest = max(each.creationTimestamp for each in defaults)
            claim.spec.storageClassName = min(each.name for each in defaults if each.creationTimestamp == newest)
