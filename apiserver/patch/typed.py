"""What a schema says about values: which fields one has, what changed between two, how two merge.

The rules are those of structured-merge-diff, which Kubernetes uses (KEP-555): granular objects and lists with
keys merge member by member, everything else is one field.  Values are JSON-shaped and never changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from api.schema import ANY, MISSING, ModelClass, Schema
from apiserver.patch import field_set
from apiserver.patch.field_set import LEAF, SELF, FieldSet, contains_self, key_step, value_step
from apiserver.patch.json_value import equal, go_text

Object = dict[str, Any]


class Changes(NamedTuple):
    """What differs between two objects."""

    written: FieldSet
    """Fields that are new or have another value."""
    removed: FieldSet


@cache
def _empty_of(model: ModelClass) -> Object:
    return model.from_dict({}).to_dict()


def empty(schema: Schema) -> Object:
    """The object before anything is set: what is always present is there and belongs to nobody."""
    return _empty_of(schema.model) if schema.model is not None else {}


def step_to(schema: Schema, item: Any) -> str:
    """The step from a list that is a set or has keys to one of its items.

    Raises ValueError for an item that cannot be in such a list.
    """
    if schema.list_type == "set":
        if isinstance(item, dict):
            raise ValueError("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise ValueError("not supported: associative list with lists as elements")
        if item is None:
            raise ValueError("associative list without keys has an element that's an explicit null")
        return value_step(item)
    if item is None:
        raise ValueError("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise ValueError("associative list with keys may not have non-map elements")
    keys = {}
    for name in schema.list_keys:
        if name in item:
            keys[name] = item[name]
        elif schema.items and (member := schema.items.properties.get(name)) and member.default is not MISSING:
            keys[name] = member.default
    if not keys:
        raise ValueError(
            f"associative list with keys has an element that omits all key fields {list(schema.list_keys)}"
        )
    return key_step(keys)


def _member(schema: Schema, name: str) -> Schema:
    return schema.properties.get(name) or schema.additional or ANY


def _is_granular_list(schema: Schema) -> bool:
    return schema.list_type != "atomic"


# --- which fields a value has --------------------------------------------------------------------


def fields_of(schema: Schema, value: Object) -> FieldSet:
    """The fields an applied configuration names: leaves, items, members of maps; not the objects they are in."""
    result: FieldSet = {}
    for name, member in value.items():
        node = _fields_of(_member(schema, name), member)
        by_itself = member is None or member == {} or name not in schema.properties
        _insert(result, f"f:{name}", node, by_itself)
    return result


def _fields_of(schema: Schema, value: Any) -> FieldSet | None:
    """None when nothing of it is a field of its own."""
    if isinstance(value, dict) and not schema.atomic:
        return fields_of(schema, value) or None
    if isinstance(value, list) and _is_granular_list(schema):
        result: FieldSet = {}
        for item in value:
            try:
                step = step_to(schema, item)
            except ValueError:
                continue  # stored before the rule was made; it is nobody's
            _insert(result, step, _fields_of(schema.items or ANY, item), True)
        return result or None
    if value is None and (schema.type == "object" or _is_granular_list(schema)) and not schema.atomic:
        return None
    return LEAF


def _insert(fields: FieldSet, step: str, node: FieldSet | None, by_itself: bool) -> None:
    if node is None:
        if by_itself:
            fields[step] = LEAF
    elif node and by_itself:
        fields[step] = {SELF: LEAF, **node}
    else:
        fields[step] = node


# --- what changed --------------------------------------------------------------------------------


def compare(schema: Schema, old: Object, new: Object) -> Changes:
    """What changed from one object to the other."""
    written: FieldSet = {}
    removed: FieldSet = {}
    _compare_objects(schema, old, new, written, removed)
    return Changes(written, removed)


def _compare_objects(schema: Schema, old: Object, new: Object, written: FieldSet, removed: FieldSet) -> None:
    properties, additional = schema.properties, schema.additional or ANY
    for name, value in new.items():
        before = old.get(name, MISSING)
        if before is value:
            continue
        member = properties.get(name, additional)
        if before is MISSING:
            written["f:" + name] = _whole(member, value)
        else:
            _compare(member, before, value, "f:" + name, written, removed)
    for name in old:
        if name not in new:
            removed["f:" + name] = _whole(properties.get(name, additional), old[name])


def _compare(schema: Schema, old: Any, new: Any, step: str, written: FieldSet, removed: FieldSet) -> None:
    kind = type(new)
    if kind is not type(old):
        _compare_kinds(schema, old, new, step, written, removed)
    elif kind is dict:
        if schema.atomic:
            if not equal(old, new):
                written[step] = LEAF
        elif not (schema.exact and old == new):
            inner_written: FieldSet = {}
            inner_removed: FieldSet = {}
            _compare_objects(schema, old, new, inner_written, inner_removed)
            _keep(step, inner_written, inner_removed, written, removed)
    elif kind is list:
        if not _is_granular_list(schema):
            if not equal(old, new):
                written[step] = LEAF
        elif not (schema.exact and old == new):
            inner_written, inner_removed = {}, {}
            _compare_lists(schema, old, new, inner_written, inner_removed)
            _keep(step, inner_written, inner_removed, written, removed)
    elif old != new:
        written[step] = LEAF


def _keep(step: str, inner_written: FieldSet, inner_removed: FieldSet, written: FieldSet, removed: FieldSet) -> None:
    if inner_written:
        written[step] = inner_written
    if inner_removed:
        removed[step] = inner_removed


def _compare_kinds(schema: Schema, old: Any, new: Any, step: str, written: FieldSet, removed: FieldSet) -> None:
    """One is null, or a value of any type got another type."""
    granular = not schema.atomic and (schema.type != "array" or _is_granular_list(schema))
    if granular and old is None and isinstance(new, dict | list) and new:
        node = _whole(schema, new)
        written[step] = {inner: child for inner, child in node.items() if inner != SELF}
    elif granular and new is None and isinstance(old, dict | list) and old:
        node = _whole(schema, old)
        removed[step] = {inner: child for inner, child in node.items() if inner != SELF}
    else:
        written[step] = _whole(schema, new)


def _compare_lists(schema: Schema, old: list[Any], new: list[Any], written: FieldSet, removed: FieldSet) -> None:
    before, after = _by_step(schema, old), _by_step(schema, new)
    item = schema.items or ANY
    for step, values in after.items():
        others = before.get(step)
        if others is None:
            written[step] = _whole(item, values[0]) if len(values) == 1 else LEAF
        elif len(values) == len(others) == 1:
            _compare(item, others[0], values[0], step, written, removed)
        elif not equal(values, others):
            written[step] = LEAF
    for step, values in before.items():
        if step not in after:
            removed[step] = _whole(item, values[0]) if len(values) == 1 else LEAF


def _by_step(schema: Schema, items: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in items:
        try:
            found.setdefault(step_to(schema, item), []).append(item)
        except ValueError:
            continue
    return found


def _whole(schema: Schema, value: Any) -> FieldSet:
    """All fields of a value that came or went as a whole: itself and everything below."""
    kind = type(value)
    if kind is dict:
        if schema.atomic or not value:
            return LEAF
        properties, additional = schema.properties, schema.additional or ANY
        node: FieldSet = {SELF: LEAF}
        for name, member in value.items():
            inner = type(member)
            node["f:" + name] = (
                _whole(properties.get(name, additional), member) if inner is dict or inner is list else LEAF
            )
        return node
    if kind is list and schema.list_type != "atomic" and value:
        node = {SELF: LEAF}
        item = schema.items or ANY
        for step, values in _by_step(schema, value).items():
            node[step] = _whole(item, values[0]) if len(values) == 1 else LEAF
        return node
    return LEAF


# --- how two merge -------------------------------------------------------------------------------


def merge(schema: Schema, live: Any, applied: Any) -> Any:
    """The live value with the applied one laid over it."""
    if isinstance(applied, dict) and isinstance(live, dict) and not schema.atomic:
        merged = dict(live)
        for name, value in applied.items():
            merged[name] = merge(_member(schema, name), live[name], value) if name in live else value
        return merged
    if isinstance(applied, list) and isinstance(live, list) and _is_granular_list(schema) and (live or applied):
        return _merge_lists(schema, live, applied)
    granular = (isinstance(live, dict) and not schema.atomic) or (isinstance(live, list) and _is_granular_list(schema))
    if applied is None and live and granular:
        return live  # null owns the field but takes nobody's members away
    return applied


def _merge_lists(schema: Schema, live: list[Any], applied: list[Any]) -> list[Any]:
    """Items of both: the applied ones in their order, the others where they stood between them."""
    item = schema.items or ANY
    mine = {step_to(schema, value): value for value in applied}
    theirs: dict[str, Any] = {}
    order = []
    for value in live:
        try:
            step = step_to(schema, value)
        except ValueError:
            continue
        theirs[step] = MISSING if step in theirs else value  # what is there twice is replaced, not merged
        order.append((step, value))
    shared = iter([step for step in mine if step in theirs])
    expected = next(shared, None)
    merged: list[Any] = []
    done: set[str] = set()
    wanted = list(mine)

    def take(step: str) -> None:
        done.add(step)
        other = theirs.get(step, MISSING)
        merged.append(mine[step] if other is MISSING else merge(item, other, mine[step]))

    left = right = 0
    while left < len(order) or right < len(wanted):
        if left < len(order) and right < len(wanted):
            step = order[left][0]
            if step == wanted[right]:
                take(step)
                left, right = left + 1, right + 1
                expected = next(shared, None)
                continue
            if step in mine and expected is not None and expected != step:
                left += 1  # shared, but another is due first
                continue
        if left < len(order):
            step, value = order[left]
            if step not in mine:
                merged.append(value)
                left += 1
                continue
            if step in done:
                left += 1
        if right < len(wanted):
            step = wanted[right]
            take(step)
            right += 1
            if expected == step:
                expected = next(shared, None)
    return merged


def remove(schema: Schema, value: Any, fields: FieldSet) -> Any:
    """The value without the given fields; null where nothing is left."""
    if isinstance(value, dict):
        if schema.atomic or not value:
            return None
        kept = {}
        for name, member in value.items():
            node = fields.get(f"f:{name}")
            if node is None:
                kept[name] = member
            elif not contains_self(node):
                kept[name] = remove(_member(schema, name), member, node)
        return kept or None
    if isinstance(value, list):
        if not _is_granular_list(schema) or not value:
            return None
        items = []
        for item in value:
            try:
                node = fields.get(step_to(schema, item))
            except ValueError:
                node = None
            if node is None:
                items.append(item)
            elif not contains_self(node):
                items.append(remove(schema.items or ANY, item, node))
        return items or None
    return value


def with_parents(schema: Schema, fields: FieldSet) -> FieldSet:
    """The set with the declared fields it only leads through added as members."""
    result: FieldSet = {}
    for step, node in fields.items():
        if not node:
            result[step] = node
            continue
        if step.startswith("f:"):
            name = step[2:]
            inner = with_parents(_member(schema, name), node)
            result[step] = {SELF: LEAF, **inner} if name in schema.properties else inner
        elif step != SELF:
            result[step] = with_parents(schema.items or ANY, node)
        else:
            result[step] = node
    return result


def settled(schema: Schema, fields: FieldSet) -> FieldSet:
    """The set where fields below a value that the schema has made atomic since are that value as a whole."""
    result = fields
    for step, node in fields.items():
        if not node:
            continue
        below = _member(schema, step[2:]) if step.startswith("f:") else schema.items or ANY
        whole = below.atomic or (below.type == "array" and not _is_granular_list(below))
        inner = LEAF if whole else settled(below, node)
        if inner is not node:
            result = {**result, step: inner}
    return result


# --- whether a value fits ------------------------------------------------------------------------


def problems(schema: Schema, value: Any, path: str = "") -> Iterator[str]:
    """What makes an applied configuration unusable, worded as structured-merge-diff does."""
    match schema.type:
        case "object":
            if isinstance(value, dict):
                for name, member in value.items():
                    inner = schema.child(name)
                    if inner is not None:
                        yield from problems(inner, member, f"{path}.{name}")
                    elif schema.properties and not schema.preserve_unknown:
                        yield f"{path}.{name}: field not declared in schema"
            elif value is not None:
                yield f"{path}: expected map, got &{{{go_text(value)}}}"
        case "array":
            if isinstance(value, list):
                yield from _list_problems(schema, value, path)
            elif value is not None:
                yield f"{path}: expected list, got &{{{go_text(value)}}}"
        case "string" if schema.scalar == "" and schema.format in ("", "byte"):
            if value is not None and not isinstance(value, str):
                yield f"{path}: expected string, got &value.valueUnstructured{{Value:{go_text(value)}}}"
        case "integer" | "number":
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                yield f"{path}: expected numeric (int or float), got {_GO_TYPES[type(value)]}"
        case "boolean":
            if value is not None and not isinstance(value, bool):
                yield f"{path}: expected boolean, got &{{{go_text(value)}}}"


def _list_problems(schema: Schema, items: list[Any], path: str) -> Iterator[str]:
    inner = schema.items or ANY
    if not _is_granular_list(schema):
        for index, item in enumerate(items):
            yield from problems(inner, item, f"{path}[{index}]")
        return
    seen = set()
    for index, item in enumerate(items):
        try:
            step = step_to(schema, item)
        except ValueError as error:
            yield f"{path}: element {index}: {error}"
            continue
        shown = field_set.shown(step)
        if step in seen:
            yield f"{path}: duplicate entries for key {shown}"
        seen.add(step)
        yield from problems(inner, item, f"{path}{shown}")


_GO_TYPES = {
    str: "string",
    bool: "bool",
    int: "int64",
    float: "float64",
    dict: "map[string]interface {}",
    list: "[]interface {}",
}
