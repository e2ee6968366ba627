"""The published schemas: OpenAPI v3, one document per group version, and v2, one for all.

What `kubectl explain`, `kubectl apply` and client generators read
(https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-interface-definition).
"""

from apiserver.openapi.documents import Documents

__all__ = ["Documents"]
