"""Priority classes (scheduling.k8s.io/v1)."""

from typing import Annotated

from api.meta_v1 import ObjectMeta
from api.model import Enum, Int32, Model, NotRequired, struct


class PriorityClass(Model):
    """How important pods are.

    description: When the class is to be used.
    globalDefault: Whether pods that name no class are of this one.
    preemptionPolicy: Whether its pods may drive others out: PreemptLowerPriority or Never.
    value: The priority; the higher, the more important.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    description: str = ""
    globalDefault: bool = False
    preemptionPolicy: Annotated[str | None, Enum("Never", "PreemptLowerPriority")] = None
    value: Annotated[Int32, NotRequired()]
