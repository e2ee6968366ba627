"""Namespaces."""

from typing import Annotated

from api.meta_v1 import ObjectMeta
from api.model import Enum, ListMap, Merge, Model, ZeroTime, null, struct


class NamespaceSpec(Model):
    finalizers: list[str] = []


class NamespaceCondition(Model):
    lastTransitionTime: ZeroTime = null()
    message: str = ""
    reason: str = ""
    status: str
    type: str


class NamespaceStatus(Model):
    conditions: Annotated[list[NamespaceCondition], ListMap("type"), Merge("type")] = []
    phase: Annotated[str, Enum("Active", "Terminating")] = ""


class Namespace(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: NamespaceSpec = struct()
    status: NamespaceStatus = struct()
