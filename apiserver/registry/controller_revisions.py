"""ControllerRevisions: former states that StatefulSets and DaemonSets can go back to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from api.apps_v1 import ControllerRevision
from api.errors import FieldError, invalid_value, required
from api.scheme import GroupVersion, resource_of
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.internal_form import internal
from apiserver.registry.strategy import Column, Strategy
from apiserver.registry.workloads import nonnegative


def _controller(obj: ControllerRevision, now: datetime) -> str:
    for owner in obj.metadata.ownerReferences:
        if owner.controller:
            group = GroupVersion.parse(owner.apiVersion).group
            return f"{owner.kind}.{group}/{owner.name}".lower() if group else f"{owner.kind.lower()}/{owner.name}"
    return "<none>"


class ControllerRevisions(Strategy[ControllerRevision]):
    resource = resource_of(ControllerRevision)
    columns = (
        NAME,
        Column("Controller", _controller, description="Whose state it is."),
        Column("Revision", lambda r, now: r.revision, description="Its number: later states have higher ones."),
        AGE,
    )

    def validate(self, new: ControllerRevision) -> Iterator[FieldError]:
        if new.data is None:
            yield required("data", "data is mandatory")
        yield from nonnegative(new.revision, "revision")

    def validate_update(self, new: ControllerRevision, old: ControllerRevision) -> Iterator[FieldError]:
        if new.data != old.data:
            yield invalid_value("data", internal(new.data), "field is immutable")
