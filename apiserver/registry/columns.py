"""Columns that many kinds' tables share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from api.core_v1 import PodTemplateSpec
from api.meta_v1 import LabelSelector
from apiserver.registry.human_duration import since
from apiserver.registry.labels import format_selector
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


def pod_template_of(obj: Any) -> PodTemplateSpec | None:
    template: PodTemplateSpec | None = obj.spec.template
    return template


def template_columns(
    template: Callable[[Any], PodTemplateSpec | None] = pod_template_of, priority: int = 1
) -> tuple[Column[Any], ...]:
    """The containers of a workload's pods, and the images they run."""

    def each(field: str) -> Callable[[Any, datetime], str]:
        def cell(obj: Any, now: datetime) -> str:
            found = template(obj)
            return ",".join(getattr(container, field) for container in found.spec.containers) if found else ""

        return cell

    return (
        Column("Containers", each("name"), description="The containers of its pods.", priority=priority),
        Column("Images", each("image"), description="The images they run.", priority=priority),
    )


def selector_column(selector: Callable[[Any], LabelSelector | None]) -> Column[Any]:
    """What finds a workload's pods."""
    return Column(
        "Selector",
        lambda obj, now: format_selector(selector(obj)) or "<none>",
        description="The labels by which its pods are found.",
        priority=1,
    )
