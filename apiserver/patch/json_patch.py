"""JSON patch: a list of operations on paths (RFC 6902).

With what Kubernetes' server does beyond the RFC: a negative index counts from the end, `replace` sets a
member that is missing, `copy` of one and an operation without a value mean null, and whatever stands before
the first slash of a path is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from api.errors import Invalid, RequestEntityTooLarge
from api.meta_v1 import StatusDetails
from api.quoting import quoted
from apiserver.go_errors import kind_of
from apiserver.patch.json_value import copied, equal

MAX_OPERATIONS = 10_000
MAX_COPIED_BYTES = 3 * 1024 * 1024
"""What all `copy` operations of a patch may copy together: a small patch could grow without end otherwise."""

_INDEX = re.compile(r"[+-]?[0-9]+")


class CannotApply(Invalid):
    """An operation does not fit the document, or a test failed.  `why` says which; it is not part of the
    answer to a PATCH, which is Kubernetes' bare one."""

    def __init__(self, why: str) -> None:
        super().__init__("the server rejected our request due to an error in our request", StatusDetails())
        self.why = why


class TestFailed(CannotApply):
    """A `test` operation found another value: the rest of the patch is not meant."""


def apply(document: Any, operations: list[Any]) -> Any:
    """The document after all operations.

    Raises CannotApply when one of them does not apply (TestFailed, a test that fails), and RequestEntityTooLarge for
    more than MAX_OPERATIONS.  Values given as operations are copied; the document is used up.
    """
    if len(operations) > MAX_OPERATIONS:
        raise RequestEntityTooLarge(
            f"Request entity too large: The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, "
            f"got {len(operations)}"
        )
    target = _Target(document)
    for operation in operations:
        if not isinstance(operation, dict):
            raise CannotApply(f"json: cannot unmarshal {kind_of(operation)} into Go value of type jsonpatch.Operation")
        try:
            target.apply(operation)
        except _TestRefused as refusal:
            raise TestFailed(str(refusal)) from None
        except _Refused as refusal:
            raise CannotApply(str(refusal)) from None
    return target.document


class _Refused(Exception):
    """Worded as by the library that Kubernetes uses: users see it when a webhook's patch does not fit."""


class _TestRefused(_Refused):
    """A `test` found another value."""


class _Target:
    def __init__(self, document: Any) -> None:
        self.document = document
        self.copied_bytes = 0

    def apply(self, operation: dict[str, Any]) -> None:
        op, value = operation.get("op"), operation.get("value")
        path = _text(operation, "path", op)
        match op:
            case "add":
                parent, key = self.parent(path, f'add operation does not apply: doc is missing path: "{path}"')
                _within(f"error in add for path: '{path}'", _add, parent, key, copied(value))
            case "remove":
                parent, key = self.parent(path, f'remove operation does not apply: doc is missing path: "{path}"')
                _within(f"error in remove for path: '{path}'", _remove, parent, key)
            case "replace" if path == "":
                if not isinstance(value, dict | list):
                    raise _Refused("replace operation value must be object or array")
                self.document = copied(value)
            case "replace":
                where = "replace operation does not apply: doc is missing"
                parent, key = self.parent(path, f"{where} path: {path}")
                try:
                    _get(parent, key)
                except _Refused:
                    raise _Refused(f"{where} key: {path}: {_MISSING}") from None
                _set(parent, key, copied(value))
            case "move":
                origin = _text(operation, "from", op)
                parent, key = self.parent(origin, f"move operation does not apply: doc is missing from path: {origin}")
                value = _within(f"error in move for path: '{key}'", _get, parent, key)
                _within(f"error in move for path: '{key}'", _remove, parent, key)
                where = f"move operation does not apply: doc is missing destination path: {path}"
                _within(f"error in move for path: '{path}'", _add, *self.parent(path, where), value)
            case "copy":
                origin = _text(operation, "from", op)
                parent, key = self.parent(origin, f"copy operation does not apply: doc is missing from path: {origin}")
                value = copied(_within(f"error in copy for from: '{origin}'", _get, parent, key))
                where = f"copy operation does not apply: doc is missing destination path: {path}"
                parent, key = self.parent(path, where)
                self._count(value)
                _within("error while adding value during copy", _add, parent, key, value)
            case "test":
                found = self.document
                if path:
                    parent, key = self.parent(path, f"test operation does not apply: is missing path: {path}")
                    found = _within(f"error in test for path: '{path}'", _get, parent, key)
                if not equal(found, value):
                    raise _TestRefused(f"testing value {path} failed: test failed")
            case unknown:
                raise _Refused(f"Unexpected kind: {unknown}")

    def _count(self, value: Any) -> None:
        self.copied_bytes += len(orjson.dumps(value))
        if self.copied_bytes > MAX_COPIED_BYTES:
            raise _Refused(
                "Unable to complete the copy, the accumulated size increase of copy is "
                f"{self.copied_bytes}, exceeding the limit {MAX_COPIED_BYTES}"
            )

    def parent(self, path: str, missing: str) -> tuple[Any, str]:
        """The object or list that a path's last step is in, and that step.  `missing` is said when there is none."""
        steps = path.split("/")
        here = self.document if len(steps) > 1 else None
        for step in steps[1:-1]:
            try:
                here = _get(here, _unescaped(step))
            except _Refused:
                here = None
            if not isinstance(here, dict | list):
                break
        if not isinstance(here, dict | list):
            raise _Refused(f"{missing}: {_MISSING}")
        return here, _unescaped(steps[-1])


_MISSING = "missing value"


def _text(operation: dict[str, Any], name: str, op: Any) -> str:
    value = operation.get(name)
    if not isinstance(value, str):
        raise _Refused(f"{op} operation failed to decode {name}: operation missing {name} field: {_MISSING}")
    return value


def _within(what: str, do: Callable[..., Any], *arguments: Any) -> Any:
    """Do something; a refusal says what it was for."""
    try:
        return do(*arguments)
    except _Refused as refusal:
        raise _Refused(f"{what}: {refusal}") from None


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")


def _index(length: int, key: str) -> int:
    if not _INDEX.fullmatch(key):
        raise _Refused(f"strconv.Atoi: parsing {quoted(key)}: invalid syntax")
    index = int(key) if len(key) < 20 else length
    if not -length <= index < length:
        raise _Refused(f"Unable to access invalid index: {key}: invalid index referenced")
    return index % length if length else 0


def _get(parent: Any, key: str) -> Any:
    """A member, null when it is missing, or an item."""
    if isinstance(parent, list):
        return parent[_index(len(parent), key)]
    return parent.get(key)


def _add(parent: Any, key: str, value: Any) -> None:
    if isinstance(parent, dict):
        parent[key] = value
    elif key == "-":
        parent.append(value)
    elif not _INDEX.fullmatch(key):
        _within(f"value was not a proper array index: '{key}'", _index, 0, key)
    else:
        parent.insert(_index(len(parent) + 1, key), value)


def _set(parent: Any, key: str, value: Any) -> None:
    if isinstance(parent, dict):
        parent[key] = value
    else:
        parent[_index(len(parent), key)] = value


def _remove(parent: Any, key: str) -> None:
    if isinstance(parent, dict):
        if key not in parent:
            raise _Refused(f"Unable to remove nonexistent key: {key}: {_MISSING}")
        del parent[key]
    else:
        del parent[_index(len(parent), key)]
