"""Eviction of pods (policy/v1)."""

from api.meta_v1 import DeleteOptions, ObjectMeta
from api.model import Model, struct


class Eviction(Model):
    """Asks a pod to leave its node, if its disruption budget allows.

    metadata: The pod's name and namespace.
    deleteOptions: How the pod is deleted.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    deleteOptions: DeleteOptions | None = None
