"""Eviction of pods (policy/v1)."""

from api.meta_v1 import DeleteOptions, ObjectMeta
from api.model import Model, struct


class Eviction(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    deleteOptions: DeleteOptions | None = None
