"""JSON patch: a list of operations on paths (RFC 6902).

With what Kubernetes' server does beyond the RFC: a negative index counts from the end, `replace` sets a
member that is missing, `copy` of one and an operation without a value mean null, and whatever stands before
the first slash of a path is ignored.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from api.errors import Invalid, RequestEntityTooLarge
from api.meta_v1 import StatusDetails
from apiserver.patch.json_value import copied, equal

MAX_OPERATIONS = 10_000
MAX_COPIED_BYTES = 3 * 1024 * 1024
"""What all `copy` operations of a patch may copy together: a small patch could grow without end otherwise."""

_INDEX = re.compile(r"[+-]?[0-9]+")


class CannotApply(Invalid):
    """An operation does not fit the document, or a test failed.  `why` says which; it is not part of the
    answer, which is Kubernetes' bare one."""

    def __init__(self, why: str) -> None:
        super().__init__("the server rejected our request due to an error in our request", StatusDetails())
        self.why = why


def apply(document: Any, operations: list[Any]) -> Any:
    """The document after all operations.

    Raises CannotApply when one of them does not apply, and RequestEntityTooLarge for more than
    MAX_OPERATIONS.  Values given as operations are copied; the document is used up.
    """
    if len(operations) > MAX_OPERATIONS:
        raise RequestEntityTooLarge(
            f"Request entity too large: The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, "
            f"got {len(operations)}"
        )
    target = _Target(document)
    for number, operation in enumerate(operations):
        if not isinstance(operation, dict):
            raise CannotApply(f"operation {number} is not an object")
        try:
            target.apply(operation)
        except _Refused as refusal:
            raise CannotApply(f"operation {number} ({operation.get('op')}): {refusal}") from None
    return target.document


class _Refused(Exception):
    pass


class _Target:
    def __init__(self, document: Any) -> None:
        self.document = document
        self.copied_bytes = 0

    def apply(self, operation: dict[str, Any]) -> None:
        path = operation.get("path")
        if not isinstance(path, str):
            raise _Refused("no path")
        value = operation.get("value")
        match operation.get("op"):
            case "add":
                _add(*self.parent(path), copied(value))
            case "remove":
                _remove(*self.parent(path))
            case "replace" if path == "":
                if not isinstance(value, dict | list):
                    raise _Refused("a document is an object or a list")
                self.document = copied(value)
            case "replace":
                parent, key = self.parent(path)
                _get(parent, key)
                _set(parent, key, copied(value))
            case "move":
                parent, key = self.parent(self.origin(operation))
                value = _get(parent, key)
                _remove(parent, key)
                _add(*self.parent(path), value)
            case "copy":
                value = copied(_get(*self.parent(self.origin(operation))))
                self.copied_bytes += len(orjson.dumps(value))
                if self.copied_bytes > MAX_COPIED_BYTES:
                    raise _Refused("copies too much")
                _add(*self.parent(path), value)
            case "test":
                found = self.document if path == "" else _get(*self.parent(path))
                if not equal(found, value):
                    raise _Refused(f"{path} has another value")
            case unknown:
                raise _Refused(f"no such operation: {unknown!r}")

    @staticmethod
    def origin(operation: dict[str, Any]) -> str:
        origin = operation.get("from")
        if not isinstance(origin, str):
            raise _Refused("no from")
        return origin

    def parent(self, path: str) -> tuple[Any, str]:
        """The object or list that a path's last step is in, and that step."""
        steps = path.split("/")
        if len(steps) < 2:
            raise _Refused(f"no such place: {path!r}")
        here = self.document
        for step in steps[1:-1]:
            here = _get(here, _unescaped(step))
            if not isinstance(here, dict | list):
                raise _Refused(f"no such place: {path!r}")
        return here, _unescaped(steps[-1])


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")


def _index(length: int, key: str) -> int:
    if not _INDEX.fullmatch(key):
        raise _Refused(f"not an index: {key!r}")
    index = int(key) if len(key) < 20 else length
    if not -length <= index < length:
        raise _Refused(f"no such index: {key}")
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
            raise _Refused(f"no such member: {key}")
        del parent[key]
    else:
        del parent[_index(len(parent), key)]
