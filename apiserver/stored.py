"""An object as the store has it, read once for everything that a write does with it."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import orjson
from pydantic.fields import FieldInfo

from api.model import Model, bare
from apiserver import raw_extension

LONGEST_REMEMBERED = 16_384
"""Bytes of a spec's JSON that is worth remembering: larger ones are no template's."""
_CONTAINERS = (dict, list)
_dumps = orjson.dumps

if TYPE_CHECKING:
    from apiserver.endpoint import Endpoint
    from apiserver.storage.entry import Entry


class StoredObject:
    """`document` is the object's JSON as its resource shows it, without kind and apiVersion.  Nobody changes it.

    managedFields are half of most objects and slow to read into types; the rules of kinds have nothing to do with
    them.  So typed objects are made of `plain`, the JSON without them, and whoever stores an object puts them back.

    A write that leaves a member alone (spec, in a write of labels) takes over `typed`'s own: what is one and the same
    object there and in the new one is neither read nor compared nor encoded again.
    """

    __slots__ = ("_endpoint", "_model", "_typed", "document", "entry")

    def __init__(self, endpoint: Endpoint, entry: Entry) -> None:
        self.entry = entry
        self._endpoint = endpoint
        self.document: dict[str, Any] = orjson.loads(endpoint.body(entry))
        self._model: type[Model] = endpoint.model
        self._typed: Any = None

    @property
    def plain(self) -> bytes:
        """The object's JSON without managedFields."""
        return orjson.dumps(without_managers(self.document))

    @property
    def typed(self) -> Any:
        """The stored object, without managedFields.  Nobody changes it: objects with the same spec share that."""
        if self._typed is None:
            self._typed = self._read()
        return self._typed

    def _read(self) -> Any:
        document = without_managers(self.document)
        spec = orjson.dumps(document.get("spec")) if "spec" in shareable(self._model) else b"null"
        if spec == b"null" or len(spec) > LONGEST_REMEMBERED:
            return self._endpoint.read_stored(orjson.dumps(document), self.entry)
        typed: Any = self._model.decode(orjson.dumps({k: v for k, v in document.items() if k != "spec"}))
        typed.spec = _typed_spec(self._model, spec)
        return typed

    @property
    def managers(self) -> list[dict[str, Any]]:
        """The object's managedFields, shared: not to be changed."""
        managers: list[dict[str, Any]] = self.document["metadata"].get("managedFields", [])
        return managers

    def decode(self) -> Any:
        """An independent copy of the stored object, without managedFields."""
        return self._endpoint.read_stored(self.plain, self.entry)

    def changed(self, new: Any) -> frozenset[str]:
        """The members of a later state that are not this one's own."""
        changed: frozenset[str] = new.changed(self.typed)
        return changed

    def copy(self, shared: Collection[str] = ()) -> dict[str, Any]:
        """A document that may be changed, apart from what is in managedFields and in the members that are `shared`:
        these can only be replaced."""
        own = {name: value for name, value in without_managers(self.document).items() if name not in shared}
        document: dict[str, Any] = {**self.document, **orjson.loads(orjson.dumps(own))}
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


@cache
def shareable(model: type[Model]) -> tuple[str, ...]:
    """The members that a new state of an object can take over from the stored one: spec and status.

    Rules may fill in what such a member lacks, which it does not, being stored; plain maps and lists they change.  One
    with RawExtensions is more than its JSON.
    """
    if model.__name__ in raw_extension.KINDS:
        return ()
    return tuple(name for name, field in model.model_fields.items() if name != "metadata" and _is_model(field))


@lru_cache(maxsize=64)
def _typed_spec(model: type[Model], encoded: bytes) -> Any:
    """The typed spec of an object of `model`, from its JSON."""
    kind: type[Model] = bare(model.model_fields["spec"].annotation)
    return kind.decode(encoded)


def _is_model(field: FieldInfo) -> bool:
    kind = bare(field.annotation)
    return isinstance(kind, type) and issubclass(kind, Model) and not field.is_required()


def without_managers(document: dict[str, Any]) -> dict[str, Any]:
    """The document without managedFields; all else is shared with it."""
    metadata = document["metadata"]
    if "managedFields" not in metadata:
        return document
    return {**document, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}
