"""An object as the store has it, read once for everything that a write does with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

_CONTAINERS = (dict, list)
_dumps = orjson.dumps

if TYPE_CHECKING:
    from apiserver.endpoint import Endpoint
    from apiserver.storage.entry import Entry


class StoredObject:
    """`document` is the object's JSON as its resource shows it, without kind and apiVersion.  Nobody changes it.

    managedFields are half of most objects and slow to read into types; the rules of kinds have nothing to do with
    them.  So typed objects are made of `plain`, the JSON without them, and whoever stores an object puts them back.
    """

    __slots__ = ("_model", "document", "entry", "plain")

    def __init__(self, endpoint: Endpoint, entry: Entry) -> None:
        self.entry = entry
        self.document: dict[str, Any] = orjson.loads(endpoint.body(entry))
        self.plain: bytes = orjson.dumps(without_managers(self.document))
        self._model = endpoint.model

    @property
    def managers(self) -> list[dict[str, Any]]:
        """The object's managedFields, shared: not to be changed."""
        managers: list[dict[str, Any]] = self.document["metadata"].get("managedFields", [])
        return managers

    def decode(self) -> Any:
        """A typed, independent copy, without managedFields."""
        return self._model.decode(self.plain)

    def copy(self) -> dict[str, Any]:
        """A document that may be changed, apart from what is in managedFields: these can only be replaced."""
        document: dict[str, Any] = orjson.loads(self.plain)
        if managers := self.managers:
            document["metadata"]["managedFields"] = managers
        return document

    def share_with(self, document: dict[str, Any]) -> None:
        """Put the stored values in the place of those that are the same in `document`, a later state of the object.

        Comparing two states goes through most of an object that hardly ever changes: what is one and the same
        needs no looking into, and to find that out by their JSON is much cheaper.
        """
        for name, value in document.items():
            before = self.document.get(name)
            if value is before or type(value) is not dict or type(before) is not dict:
                continue
            for member, inner in value.items():
                former = before.get(member)
                if type(inner) in _CONTAINERS and type(former) is type(inner) and _dumps(inner) == _dumps(former):
                    value[member] = former


def without_managers(document: dict[str, Any]) -> dict[str, Any]:
    """The document without managedFields; all else is shared with it."""
    metadata = document["metadata"]
    if "managedFields" not in metadata:
        return document
    return {**document, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}
