"""Namespaces."""

from typing import Annotated

from api.meta_v1 import ObjectMeta
from api.model import Enum, ListMap, Merge, Model, ZeroTime, null, struct


class NamespaceSpec(Model):
    """What a namespace waits for before it goes.

    finalizers: Names of what must be done before the namespace may go.
    """

    finalizers: list[str] = []


class NamespaceCondition(Model):
    """One aspect of a namespace's deletion.

    lastTransitionTime: When the status last changed.
    message: The details, for people.
    reason: Why, in one word.
    status: True, False or Unknown.
    type: Which aspect this is about.
    """

    lastTransitionTime: ZeroTime = null()
    message: str = ""
    reason: str = ""
    status: str
    type: str


class NamespaceStatus(Model):
    """What becomes of a namespace.

    conditions: What its deletion waits for.
    phase: Active, or Terminating once it was deleted.
    """

    conditions: Annotated[list[NamespaceCondition], ListMap("type"), Merge("type")] = []
    phase: Annotated[str, Enum("Active", "Terminating")] = ""


class Namespace(Model):
    """A room for objects: their names are unique in it, and they go with it.

    spec: What it waits for before it goes.
    """

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: NamespaceSpec = struct()
    status: NamespaceStatus = struct()
