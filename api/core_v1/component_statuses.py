"""The health of the control plane's components, in the older form; deprecated since v1.19."""

from typing import Annotated

from api.meta_v1 import ObjectMeta
from api.model import ListMap, Merge, Model, struct


class ComponentCondition(Model):
    """One aspect of a component's state.

    error: What went wrong while asking.
    message: What the component answered.
    status: True, False or Unknown.
    type: Healthy is the only one.
    """

    error: str = ""
    message: str = ""
    status: str
    type: str


class ComponentStatus(Model):
    """The health of a component of the control plane; deprecated.

    conditions: What is known of it.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    conditions: Annotated[list[ComponentCondition], ListMap("type"), Merge("type")] = []
