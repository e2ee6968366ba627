"""Sets of fields, in the form they have on the wire (FieldsV1).

A set is a tree of dictionaries.  Steps are `f:<name>` into an object, `k:<keys as JSON>` to an item of a list
with keys, `v:<value as JSON>` to an item of a set, `i:<index>`.  A field belongs to the set when its node is
empty or holds ".": `{"f:data": {".": {}, "f:k": {}}}` is `data` and `data.k`, `{"f:data": {"f:k": {}}}` only
`data.k`.  The empty set is `{}`.

Sets are never changed once made: they share their branches.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#fieldsv1
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import orjson

FieldSet: TypeAlias = dict[str, Any]
"""Really `dict[str, FieldSet]`, as deep as the object."""

LEAF: FieldSet = {}
SELF = "."
_MEMBER: FieldSet = {SELF: LEAF}


def contains_self(node: FieldSet) -> bool:
    """Whether the field itself belongs to the set, besides what is below it."""
    return not node or SELF in node


def _node(member: bool, children: FieldSet) -> FieldSet | None:
    if not member:
        return children or None
    return {SELF: LEAF, **children} if children else LEAF


def _children(node: FieldSet) -> FieldSet:
    if SELF not in node:
        return node
    return {step: child for step, child in node.items() if step != SELF}


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """The fields of either."""
    if not left:
        return right
    result = dict(left)
    for step, node in right.items():
        other = result.get(step)
        if other is None:
            result[step] = node
        elif step != SELF and other is not node:
            member = contains_self(other) or contains_self(node)
            result[step] = _node(member, union(_children(other), _children(node)))
    return result


def union_in_order(left: FieldSet, right: FieldSet) -> FieldSet:
    """The same, in Kubernetes' order, of a `left` that has it: only what `right` touches is put in order."""
    result = dict(left)
    for step, node in right.items():
        other = result.get(step)
        if other is None:
            result[step] = ordered(node)
        elif step != SELF and other is not node and (other or node):
            result[step] = union_in_order(other or _MEMBER, node or _MEMBER)
    return _in_order(result) if len(result) > len(left) else result


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """The fields of `left` that are not in `right`."""
    result = left
    for step, node in right.items():
        other = left.get(step)
        if other is None or step == SELF:
            continue
        member = contains_self(other) and not contains_self(node)
        rest = _node(member, difference(_children(other), _children(node)))
        if rest != other:
            if result is left:
                result = dict(left)
            if rest is None:
                del result[step]
            else:
                result[step] = rest
    return result


def without(left: FieldSet, right: FieldSet) -> FieldSet:
    """The fields of `left` that are neither in `right` nor below a field that is."""
    result = left
    for step, node in right.items():
        other = left.get(step)
        if other is None or step == SELF:
            continue
        if result is left:
            result = dict(left)
        rest = None if contains_self(node) else _node(contains_self(other), without(_children(other), node))
        if rest is None:
            del result[step]
        else:
            result[step] = rest
    return result


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """The fields of both."""
    result = {}
    for step, node in right.items():
        other = left.get(step)
        if other is None or step == SELF:
            continue
        both = _node(contains_self(other) and contains_self(node), intersection(_children(other), _children(node)))
        if both is not None:
            result[step] = both
    return result


def paths(fields: FieldSet, prefix: str = "") -> Iterator[str]:
    """Every field as messages write it, `.spec.containers[name="a"].image`: fields of one level before deeper
    ones."""
    for step, node in fields.items():
        if step != SELF and contains_self(node):
            yield prefix + shown(step)
    for step, node in fields.items():
        if step != SELF and node:
            yield from paths(node, prefix + shown(step))


def shown(step: str) -> str:
    """One step of a path as messages write it."""
    kind, text = step[:2], step[2:]
    if kind == "f:":
        return f".{text}"
    if kind == "i:":
        return f"[{text}]"
    value = orjson.loads(text)
    if kind == "k:":
        return "[" + ",".join(f"{name}={_shown_value(value[name])}" for name in sorted(value)) + "]"
    return f"[={_shown_value(value)}]"


def _shown_value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ",".join(map(_shown_value, value)) + "]"
    if isinstance(value, dict):
        return "{" + ";".join(f"{name}={_shown_value(value[name])}" for name in sorted(value)) + "}"
    return orjson.dumps(value).decode()


def key_step(keys: Mapping[str, Any]) -> str:
    """The step to the item of a list that has these values of its keys."""
    return "k:" + orjson.dumps(keys, option=orjson.OPT_SORT_KEYS).decode()


def value_step(value: Any) -> str:
    """The step to an item of a set."""
    return "v:" + orjson.dumps(value).decode()


def ordered(fields: FieldSet) -> FieldSet:
    """The same set with its steps in Kubernetes' order: ".", fields, keys, values, indexes."""
    if not fields:
        return LEAF
    return {step: ordered(node) if node else LEAF for step, node in _in_order(fields).items()}


def _in_order(fields: FieldSet) -> FieldSet:
    """The first level of a set in order."""
    if len(fields) < 2:
        return fields
    steps = sorted(fields)
    if steps[-1] > "g" and not steps[-1].startswith("f:"):
        steps.sort(key=_rank)
    return {step: fields[step] for step in steps}


@lru_cache(maxsize=8192)
def _rank(step: str) -> tuple[Any, ...]:
    if step == SELF:
        return (0,)
    kind, text = step[:2], step[2:]
    if kind == "f:":
        return (1, text)
    value = orjson.loads(text)
    if kind == "k:":
        return (2, *((name, _value_rank(value[name])) for name in sorted(value)))
    return (3 if kind == "v:" else 4, _value_rank(value))


def _value_rank(value: Any) -> tuple[Any, ...]:
    """Numbers before strings before booleans before the rest, each in its own order."""
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, int | float):
        return (0, value)
    if isinstance(value, str):
        return (1, value)
    return (3, orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


def parse(document: Any) -> FieldSet:
    """A set that a client sent, made canonical.  Raises ValueError when it is none."""
    if not isinstance(document, dict):
        raise ValueError("a set of fields is an object")
    result = {}
    for step, node in document.items():
        result[_canonical(step)] = parse(node)
    return result


def _canonical(step: str) -> str:
    kind, text = step[:2], step[2:]
    if step == SELF or kind == "f:":
        return step
    if kind == "k:" and isinstance(keys := orjson.loads(text), dict):
        return key_step(keys)
    if kind == "v:":
        return value_step(orjson.loads(text))
    if kind == "i:" and text.isdecimal():
        return step
    raise ValueError(f"not a step to a field: {step!r}")
