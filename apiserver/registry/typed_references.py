"""References that name an object of any kind by group, kind and name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from api.errors import FieldError, invalid_value, required
from apiserver.registry.names import path_segment, subdomain


class TypedReference(Protocol):
    apiGroup: str | None
    kind: str
    name: str


def validate_typed_reference(reference: TypedReference, path: str) -> Iterator[FieldError]:
    if reference.apiGroup is not None:
        for complaint in subdomain(reference.apiGroup):
            yield invalid_value(f"{path}.apiGroup", reference.apiGroup, complaint)
    for field in ("kind", "name"):
        yield from validate_segment(getattr(reference, field), f"{path}.{field}")


def validate_segment(value: str, path: str, *, needed: bool = True) -> Iterator[FieldError]:
    """A value that could be one segment of a URL's path."""
    if needed and not value:
        yield required(path)
    for complaint in path_segment(value):
        yield invalid_value(path, value, complaint)
