"""Runtime classes (node.k8s.io/v1)."""

from typing import Annotated

from api.core_v1 import Toleration
from api.meta_v1 import ObjectMeta
from api.model import Atomic, Model, Quantity, struct


class Overhead(Model):
    """What a pod needs besides its containers.

    podFixed: The same for every pod.
    """

    podFixed: dict[str, Quantity] = {}


class Scheduling(Model):
    """The nodes that have a runtime.

    nodeSelector: Their labels.
    tolerations: Taints of theirs that the pods tolerate.
    """

    nodeSelector: Annotated[dict[str, str], Atomic()] = {}
    tolerations: list[Toleration] = []


class RuntimeClass(Model):
    """A way to run containers that pods can ask for.

    handler: The configuration of the container runtime that runs the pods.
    overhead: What a pod needs besides its containers.
    scheduling: The nodes that have it; all when unset.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    handler: str
    overhead: Overhead | None = None
    scheduling: Scheduling | None = None
