"""Which storage class a volume or a claim is of."""

from __future__ import annotations

from api.meta_v1 import ObjectMeta

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


def storage_class(metadata: ObjectMeta, name: str | None) -> str:
    """The older annotation comes before the field `storageClassName`."""
    return metadata.annotations.get(CLASS_ANNOTATION, name or "")
