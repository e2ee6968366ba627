"""Strategic merge patch: a merge patch that knows which lists merge by key.

Defined in https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
A field's strategy and merge key come from its schema.  Directives in the patch:

    $patch: replace | delete          on an object, or as an item of a keyed list
    $retainKeys: [...]                members that are not named go
    $deleteFromPrimitiveList/<name>   values to take out of a list of scalars
    $setElementOrder/<name>           the order of the list's items, by value or by key
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api.errors import BadRequest
from api.schema import ANY, Schema
from apiserver.patch.json_patch import CannotApply
from apiserver.patch.json_value import copied, equal, go_text

PATCH = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM = "$deleteFromPrimitiveList/"
SET_ORDER = "$setElementOrder/"

Object = dict[str, Any]


def apply(document: Object, patch: Object, schema: Schema) -> Object:
    """The document after the patch, which uses up the document.

    Raises BadRequest for a patch that contradicts itself or the schema, CannotApply for lists of lists.
    """
    return _merge_object(document, copied(patch), schema)


def _merge_object(original: Object, patch: Object, schema: Schema) -> Object:
    """Both arguments are used up."""
    if PATCH in patch:
        directive = patch[PATCH]
        if directive == "replace":
            del patch[PATCH]
            return {name: _without_nulls(value) for name, value in patch.items() if value is not None}
        if directive == "delete":
            return {}
        raise BadRequest(f"unknown patch type: {go_text(directive)} in map: {go_text(patch)}")
    _retain_keys(original, patch)
    _set_orders(original, patch, schema)
    for name, value in patch.items():
        if name.startswith(DELETE_FROM):
            _delete_values(original, name.removeprefix(DELETE_FROM), value)
        elif value is None:
            original.pop(name, None)
        elif type(original.get(name)) is not type(value) or not isinstance(value, dict | list):
            _take(original, name, value)
        elif isinstance(value, dict):
            member = schema.child(name) or ANY
            if "replace" in _strategies(member):
                _take(original, name, value)
            else:
                original[name] = _merge_object(original[name], value, member)
        else:
            original[name] = _merge_field(original[name], value, name, schema)
    return original


def _take(original: Object, name: str, value: Any) -> None:
    """Use the patch's value as it is, where there is nothing to merge it with."""
    kept, value = _without_directives(value)
    if kept:
        original[name] = value
    else:
        original.pop(name, None)


def _without_directives(value: Any) -> tuple[bool, Any]:
    """The value without nulls and directives, and whether anything of it is left: an object with `$patch` has
    nothing to say where there is nothing to patch."""
    if isinstance(value, dict):
        if PATCH in value:
            return False, None
        members = {}
        for name, member in value.items():
            if member is None or name == RETAIN_KEYS or name.startswith((DELETE_FROM, SET_ORDER)):
                continue
            kept, cleaned = _without_directives(member)
            if kept:
                members[name] = cleaned
        return True, members
    if isinstance(value, list):
        return True, [item for kept, item in map(_without_directives, value) if kept]
    return True, value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _strategies(schema: Schema) -> list[str]:
    return schema.patch_strategy.split(",")


def _retain_keys(original: Object, patch: Object) -> None:
    if RETAIN_KEYS not in patch:
        return
    keys = patch.pop(RETAIN_KEYS)
    if not isinstance(keys, list):
        raise BadRequest("invalid patch format of retainKeys")
    for name, value in patch.items():
        if value is not None and not name.startswith((DELETE_FROM, SET_ORDER)) and name not in keys:
            raise BadRequest("invalid patch format of retainKeys")
    for name in [name for name in original if name not in keys]:
        del original[name]


def _delete_values(original: Object, name: str, values: Any) -> None:
    if not isinstance(values, list):
        raise BadRequest("invalid patch format of primitive list")
    if isinstance(original.get(name), list):
        original[name] = [item for item in original[name] if not any(equal(item, value) for value in values)]


def _set_orders(original: Object, patch: Object, schema: Schema) -> None:
    """Merge and order every list that has an order given, and take both out of the patch."""
    for directive in [name for name in patch if name.startswith(SET_ORDER)]:
        order, name = patch.pop(directive), directive.removeprefix(SET_ORDER)
        if not isinstance(order, list):
            raise BadRequest("invalid patch format of setElementOrder list")
        current, wanted = original.get(name), patch.get(name)
        for value in (current, wanted):
            if value is not None and not isinstance(value, list):
                raise BadRequest("invalid patch format of setElementOrder list")
        if schema.properties and schema.child(name) is None:
            raise BadRequest(f'unable to find api field for the json field "{name}"')
        identity = _Identity((schema.child(name) or ANY).patch_merge_key, name)
        if wanted is not None:
            _check_order(wanted, order, identity)
        if current is None and wanted is None:
            continue
        if wanted is None:
            merged = current or []
        elif current is None:
            merged = _without_directives(wanted)[1]
        else:
            merged = _merge_field(copied(current), wanted, name, schema)
        original[name] = _in_order(merged, order, current or [], identity)
        patch.pop(name, None)


def _check_order(wanted: list[Any], order: list[Any], identity: _Identity) -> None:
    if not wanted or not order:
        return
    rest = iter(order)
    for item in wanted:
        if isinstance(item, dict) and item.get(PATCH) == "delete":
            continue
        if not any(identity.same(item, other) for other in rest):
            raise BadRequest(
                f"The order in patch list:\n{go_text(wanted)}\n"
                f" doesn't match $setElementOrder list:\n{go_text(order)}\n"
            )


def _merge_field(original: list[Any], patch: list[Any], name: str, schema: Schema) -> list[Any]:
    member = schema.child(name) or ANY
    if "merge" not in _strategies(member):
        return _without_nulls(_without_directives(patch)[1]) if member is ANY else patch
    return _merge_list(original, patch, member, name)


class _Identity:
    """What makes two items of a list the same: the value of the merge key, or the whole scalar."""

    def __init__(self, key: str, name: str) -> None:
        self.key = key
        self.name = name

    def of(self, item: Any) -> Any:
        if not self.key:
            return item
        if not isinstance(item, dict):
            raise BadRequest(f"expected a list of maps with the merge key {self.key} in {self.name}: {go_text(item)}")
        if self.key not in item:
            raise BadRequest(f"map: {go_text(item)} does not contain declared merge key: {self.key}")
        return item[self.key]

    def same(self, item: Any, other: Any) -> bool:
        return equal(self.of(item), self.of(other))

    def index(self, items: list[Any], wanted: Any) -> int:
        """Where the first item of that identity is; -1 when there is none."""
        for position, item in enumerate(items):
            if self.key and (not isinstance(item, dict) or self.key not in item):
                continue
            if equal(self.of(item), wanted):
                return position
        return -1


def _merge_list(original: list[Any], patch: list[Any], schema: Schema, name: str) -> list[Any]:
    identity = _Identity(schema.patch_merge_key, name)
    if isinstance(next(iter(original or patch), None), list):
        raise CannotApply("lists of lists are not supported")
    if not any(isinstance(item, dict) for item in (*original[:1], *patch[:1])):
        merged: list[Any] = []
        for item in original + patch:
            if not any(equal(item, other) for other in merged):
                merged.append(item)
        return _in_order(merged, patch, original, _Identity("", name))
    if not identity.key:
        raise BadRequest(f"cannot merge lists without merge key for {name}")
    original, patch = _special_items(original, patch, identity)
    merged = list(original)
    for item in patch:
        position = identity.index(merged, identity.of(item))
        if position < 0:
            merged.append(_without_directives(item)[1])
        else:
            merged[position] = _merge_object(merged[position], item, schema.items or ANY)
    return _in_order(merged, patch, original, identity)


def _special_items(original: list[Any], patch: list[Any], identity: _Identity) -> tuple[list[Any], list[Any]]:
    """Carry out the directives among the patch's items; returns both lists without them."""
    ordinary, replace = [], False
    for item in patch:
        directive = item.get(PATCH) if isinstance(item, dict) else None
        match directive:
            case None:
                ordinary.append(item)
            case "replace":
                replace = True
            case "delete":
                gone = identity.of(item)
                original = [other for other in original if not equal(identity.of(other), gone)]
            case "merge":
                raise BadRequest("merging lists cannot yet be specified in the patch")
            case _:
                raise BadRequest(f"unknown patch type: {go_text(directive)} in map: {go_text(item)}")
    return (_without_nulls(ordinary), []) if replace else (original, ordinary)


def _in_order(items: list[Any], order: list[Any], server_order: list[Any], identity: _Identity) -> list[Any]:
    """Items of the patch in the patch's order, the others in the server's, interleaved as they were."""

    def position(among: list[Any]) -> Callable[[Any], int]:
        return lambda item: identity.index(among, identity.of(item))

    in_patch, in_server = position(order), position(server_order)
    patched = sorted((item for item in items if in_patch(item) >= 0), key=in_patch)
    others = sorted((item for item in items if in_patch(item) < 0), key=in_server)
    result: list[Any] = []
    while patched and others:
        mine, theirs = in_server(others[0]), in_server(patched[0])
        result.append(others.pop(0) if 0 <= mine < theirs else patched.pop(0))
    return result + others + patched
