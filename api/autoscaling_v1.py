"""The scale of anything that has replicas (autoscaling/v1)."""

from api.meta_v1 import ObjectMeta
from api.model import Int32, Model, struct


class ScaleSpec(Model):
    replicas: Int32


class ScaleStatus(Model):
    replicas: Int32
    selector: str = ""


class Scale(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: ScaleSpec = struct()
    status: ScaleStatus = struct()
