"""Columns that many kinds' tables share."""

from __future__ import annotations

from typing import Any

from apiserver.registry.human_duration import since
from apiserver.registry.strategy import Column

NAME: Column[Any] = Column(
    "Name",
    lambda obj, now: obj.metadata.name,
    format="name",
    description="The object's name: unique among those of its kind in its namespace.",
)
AGE: Column[Any] = Column(
    "Age",
    lambda obj, now: since(obj.metadata.creationTimestamp, now),
    description="How long ago the server created the object.",
)


def container_names(obj: Any) -> str:
    """The names of a pod template's containers, as wide tables show them."""
    return ",".join(container.name for container in obj.spec.template.spec.containers)


def container_images(obj: Any) -> str:
    return ",".join(container.image for container in obj.spec.template.spec.containers)
