"""The scale of anything that has replicas (autoscaling/v1)."""

from typing import Annotated

from api.meta_v1 import ObjectMeta
from api.model import Default, Int32, Model, struct


class ScaleSpec(Model):
    """How many replicas are wanted.

    replicas: The number.
    """

    replicas: Annotated[Int32, Default(0)] = 0


class ScaleStatus(Model):
    """How many replicas there are.

    replicas: The number.
    selector: The label selector of the pods, as text.
    """

    replicas: Int32
    selector: str = ""


class Scale(Model):
    """The number of replicas of anything that has one."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: ScaleSpec = struct()
    status: ScaleStatus = struct()
