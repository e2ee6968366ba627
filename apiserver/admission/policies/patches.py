"""What the expressions of mutating policies make of an object: they are applied to it, or patch it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from api.errors import RequestEntityTooLarge, internal_error
from api.schema import Schema
from apiserver.decoding import clean, strict_error
from apiserver.patch import json_patch, typed
from cel.libraries.mutation import misnamed
from cel.values import Object as MadeObject
from cel.values import to_json

Object = dict[str, Any]


class CannotPatch(Exception):
    """A change does not fit the object; says why."""


def patched(patch_type: str, schema: Schema, document: Object, value: Any) -> Object:
    """The object after a change; the very same when a test in a JSON patch says that nothing is to be done.

    `value` is that of the policy's expression.  Raises CannotPatch; InternalError for a patch that makes fields which
    objects of the kind do not have.
    """
    if patch_type == "JSONPatch":
        return _json_patched(schema, document, value)
    return _applied(schema, document, value)


def _applied(schema: Schema, document: Object, value: Any) -> Object:
    """With what is applied merged into it; who owns the fields is nobody's concern."""
    _check_names(value)
    applied = {**to_json(value), "apiVersion": document["apiVersion"], "kind": document["kind"]}
    if problems := list(typed.problems(schema, applied)):
        text = problems[0] if len(problems) == 1 else "\n".join(["errors:", *(f"  {each}" for each in problems)])
        raise CannotPatch(f"error applying patch: failed to convert patch object to typed object: {text}")
    if atomics := ", ".join(_atomics(schema, applied)):
        why = f"may not mutate atomic arrays, maps or structs: {atomics}"
        raise CannotPatch(f"error applying patch: invalid ApplyConfiguration: {why}")
    merged: Object = typed.merge(schema, document, applied)
    return merged


def _check_names(value: MadeObject) -> None:
    if found := list(misnamed(value, value.name)):
        raise CannotPatch("type mismatch: " + "\n".join(found))


def _atomics(schema: Schema, value: Any, path: str = "") -> Iterator[str]:
    """The paths of what would be replaced as a whole: whoever applies some of it does not mean to drop the rest."""
    if isinstance(value, dict) and schema.type == "object":
        if schema.atomic:
            yield path
        for name, member in value.items():
            if name in schema.properties:
                yield from _atomics(schema.properties[name], member, f"{path}.{name}")
    elif isinstance(value, list) and schema.type == "array":
        if schema.list_type == "atomic":
            yield path
        for index, item in enumerate(value):
            if schema.items is not None:
                yield from _atomics(schema.items, item, f"{path}[{index}]")


def _json_patched(schema: Schema, document: Object, value: list[Any]) -> Object:
    for operation in value:
        if isinstance(made := operation.get("value"), MadeObject):
            _check_names(made)
    copy = orjson.loads(orjson.dumps(document))
    try:
        changed = json_patch.apply(copy, [{"op": "", "path": "", **to_json(operation)} for operation in value])
    except json_patch.TestFailed:
        return document
    except json_patch.CannotApply as error:
        raise CannotPatch(f"JSON Patch: {error.why}") from None
    except RequestEntityTooLarge as error:
        raise CannotPatch(error.message) from None
    complaints: list[str] = []
    if schema.model is not None:  # custom objects may have fields that they do not keep
        clean(schema, changed, complaints)
    if complaints:
        raise internal_error(strict_error(complaints))
    result: Object = changed
    return result
