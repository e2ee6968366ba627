"""An object as the store has it, read once for everything that a write does with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

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


def without_managers(document: dict[str, Any]) -> dict[str, Any]:
    """The document without managedFields; all else is shared with it."""
    metadata = document["metadata"]
    if "managedFields" not in metadata:
        return document
    return {**document, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}
