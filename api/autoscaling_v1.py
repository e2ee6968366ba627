"""The scale of anything that has replicas (autoscaling/v1)."""

from typing import Annotated

from api.meta_v1 import ObjectMeta
from api.model import Default, Int32, Model, struct


class ScaleSpec(Model):
    replicas: Annotated[Int32, Default(0)] = 0


class ScaleStatus(Model):
    replicas: Int32
    selector: str = ""


class Scale(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: ScaleSpec = struct()
    status: ScaleStatus = struct()
