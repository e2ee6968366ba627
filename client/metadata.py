"""How a client asks for only the metadata of objects: of any kind, also kinds there is no type for.

https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
"""

ACCEPT = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
ACCEPT_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
