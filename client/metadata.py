"""Objects of which only the metadata is wanted: any kind, also kinds there is no type for.

https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
"""

from __future__ import annotations

from api.meta_v1 import ObjectMeta
from api.model import Model, struct

ACCEPT = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
ACCEPT_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


class PartialObjectMetadata(Model):
    """Decodes from any object; a server that does not know the media type sends the whole one, which works too."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
