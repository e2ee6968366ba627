"""What mutating policies make their changes of: objects (`Object{spec: Object.spec{replicas: 3}}`) to be applied, and
JSON patches (`[JSONPatch{op: 'remove', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b')}]`).

https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cel.functions import Library
from cel.types import DYN, STRING, Field, Type, object_type
from cel.values import Object

_OBJECT = "Object"
_PATHS = "which matches field name path from root Object type"


class _AnyField(Mapping[str, Field]):
    """The fields of an object that no schema is known of: every name, with values of any type."""

    def __getitem__(self, name: str) -> Field:
        return Field(DYN, name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


OBJECT_TYPE = object_type(_OBJECT, _AnyField())
JSON_PATCH_TYPE = object_type(
    "JSONPatch",
    {name: Field(of, name) for name, of in {"op": STRING, "path": STRING, "from": STRING, "value": DYN}.items()},
)


def mutation_type(name: str) -> Type | None:
    """The type of the name: `Object`, `Object.spec` and so on, `JSONPatch`."""
    if name == _OBJECT or name.startswith(f"{_OBJECT}."):
        return object_type(name, OBJECT_TYPE.fields)
    return JSON_PATCH_TYPE if name == JSON_PATCH_TYPE.name else None


def misnamed(value: Any, name: str = _OBJECT) -> Iterator[str]:
    """What is wrong with the names of the types that an object is made of: they follow its fields."""
    if isinstance(value, Object):
        if value.name != name:
            yield f'unexpected type name "{value.name}", expected "{name}", {_PATHS}'
        for key, field in value.items():
            yield from misnamed(field, f"{name}.{key}")
    elif isinstance(value, dict):
        for entry in value.values():
            yield from misnamed(entry, name)
    elif isinstance(value, list):
        for element in value:
            yield from misnamed(element, name)


MUTATION = Library()
MUTATION.add(
    "jsonpatch.escapeKey",
    "(string) -> string",
    call=lambda key: key.replace("~", "~0").replace("/", "~1"),
)
