"""Requests as admission plugins see them."""

from __future__ import annotations

from typing import Any

from api.model import Model
from api.scheme import resource_of
from apiserver.admission.plugin import AdmissionRequest
from tests.registry.builders import context


def request(
    obj: Any,
    *existing: Model,
    operation: str = "CREATE",
    old: Any = None,
    subresource: str = "",
    user: str = "someone",
    groups: tuple[str, ...] = (),
    of: type[Model] | None = None,
) -> AdmissionRequest:
    """`existing` are the objects of the cluster; `of` is the type of the resource where the object is of another."""
    subject = obj if obj is not None else old
    return AdmissionRequest(
        operation=operation,
        resource=resource_of(of or type(subject)),
        subresource=subresource,
        namespace=subject.metadata.namespace,
        name=subject.metadata.name,
        object=obj,
        old_object=old,
        user=user,
        groups=groups,
        dry_run=False,
        context=context(*existing),
    )
