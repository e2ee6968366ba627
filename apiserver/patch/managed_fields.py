"""Who wrote which field: `metadata.managedFields`.

Every write that is not an apply is an "Update" by its manager; it takes what it changes away from all others,
and what it removes belongs to nobody any more.  Applies are in `apiserver.patch.apply`.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import orjson

from api.errors import BadRequest, FieldError, invalid_value, too_long
from api.rfc3339 import to_second
from api.schema import Schema
from apiserver.patch.field_set import FieldSet, difference, ordered, parse, union, union_in_order, without
from apiserver.patch.typed import Changes, Object, compare, empty, settled

_LONGEST_REMEMBERED = 16_384
"""Bytes of a member of which the fields are remembered."""
MAX_UPDATE_MANAGERS = 10
"""More managers of operation Update than these share one entry."""
OLD_UPDATES = "ancient-changes"
UNNAMED = "unknown"
NAME_LIMIT, SUBRESOURCE_LIMIT = 128, 256
"""Bytes."""


Versions: TypeAlias = Callable[[str, Object], "tuple[Schema, Object] | None"]
"""Shows an object of the request's API version in another one: its schema there and its form there, or None
for a version that is not served (any more).  Raises NotOfVersion."""

SERVER_OWNED = frozenset(
    {
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "selfLink",
        "clusterName",
        "managedFields",
    }
)
"""Members of metadata that nobody manages."""


class NotOfVersion(BadRequest):
    """An object has members that the schema of another version, in which somebody owns fields of it, does not know."""


class Key(NamedTuple):
    """What makes two entries the same manager.  Appliers keep theirs across API versions."""

    manager: str
    operation: str
    api_version: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one manager owns.  `time` is as on the wire, empty when the object never changed by it."""

    api_version: str
    fields: FieldSet
    time: str = ""

    def owning(self, fields: FieldSet) -> Entry:
        return replace(self, fields=fields)


Managers: TypeAlias = dict[Key, Entry]


def decode(entries: Iterable[Any]) -> Managers:
    """Read managedFields.  Raises ValueError for a list that is not well-formed."""
    managers: Managers = {}
    for entry in entries:
        operation, api_version = entry.get("operation"), entry.get("apiVersion")
        if operation not in ("Apply", "Update"):
            raise ValueError("operation must be `Apply` or `Update`")
        if not api_version:
            raise ValueError("apiVersion must not be empty")
        if entry.get("fieldsType") != "FieldsV1":
            raise ValueError("fieldsType must be `FieldsV1`")
        key = Key(
            entry.get("manager") or "",
            operation,
            api_version if operation == "Update" else "",
            entry.get("subresource") or "",
        )
        managers[key] = Entry(api_version, ordered(parse(entry.get("fieldsV1") or {})), entry.get("time") or "")
    return managers


def name_problems(path: str, manager: str) -> Iterator[FieldError]:
    """What is wrong with the name of a manager."""
    if len(manager.encode(errors="replace")) > NAME_LIMIT:
        yield too_long(path, NAME_LIMIT)
    if not manager.isprintable():
        position = 0  # in bytes
        for char in manager:
            if not char.isprintable():
                yield invalid_value(path, manager, f"invalid character U+{ord(char):04X} (at position {position})")
            position += len(char.encode(errors="replace"))


def problems(managers: Iterable[Object]) -> Iterator[FieldError]:
    """What is wrong with managers that a client has written itself, of those that can be read at all."""
    for index, entry in enumerate(managers):
        path = f"metadata.managedFields[{index}]"
        yield from name_problems(f"{path}.manager", entry.get("manager", ""))
        if len(entry.get("subresource", "").encode(errors="replace")) > SUBRESOURCE_LIMIT:
            yield too_long(f"{path}.subresource", SUBRESOURCE_LIMIT)


def _decode_stored(entries: Iterable[Any]) -> Managers:
    """Read what this module wrote, which needs no check."""
    return {
        Key(
            entry.get("manager", ""),
            entry["operation"],
            entry["apiVersion"] if entry["operation"] == "Update" else "",
            entry.get("subresource", ""),
        ): Entry(entry["apiVersion"], entry.get("fieldsV1") or {}, entry.get("time", ""))
        for entry in entries
    }


def encode(managers: Managers) -> list[Object]:
    """Write managedFields, in Kubernetes' order: appliers first, then by second and name."""
    entries = []
    for key, entry in managers.items():
        document: Object = {
            "manager": key.manager,
            "operation": key.operation,
            "apiVersion": entry.api_version,
            "time": entry.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": entry.fields,
        }
        if not entry.time:
            del document["time"]
        if not key.manager:
            del document["manager"]
        if key.subresource:
            document["subresource"] = key.subresource
        entries.append(document)
    if len(entries) > 1:
        entries.sort(key=_rank)
    return entries


def _rank(entry: Object) -> tuple[str, ...]:
    return tuple(entry.get(name, "") for name in ("operation", "time", "manager", "apiVersion", "subresource"))


def manageable(document: Object) -> Object:
    """The object without what nobody manages."""
    metadata = document.get("metadata") or {}
    result = {name: value for name, value in document.items() if name not in ("apiVersion", "kind")}
    result["metadata"] = {name: value for name, value in metadata.items() if name not in SERVER_OWNED}
    return result


def managers_of(document: Object | None) -> list[Object]:
    """The object's managedFields as it is stored."""
    metadata = document.get("metadata") if document else None
    return (metadata.get("managedFields") or []) if metadata else []


def update_managers(
    schema: Schema,
    old: Object | None,
    new: Object,
    manager: str,
    api_version: str,
    now: datetime,
    subresource: str = "",
    *,
    ignored: FieldSet | None = None,
    versions: Versions | None = None,
    apart: Mapping[str, bytes] | None = None,
    changeable: bool = False,
) -> list[Object]:
    """The managedFields of an object after a create (`old` is None), update or patch, an apply excepted.

    `new` is as defaulted and prepared by its strategy, before admission and allocation fill in more, and holds
    in `metadata.managedFields` what the client sent: missing for nothing or null, `[]` and `[{}]` to forget all
    managers.  `ignored` are fields this endpoint does not write (`{"f:status": {}}`).  An object that has no
    managers gets none by an update.  `apart` has the JSON of members of a created object that are not in `new`.
    `changeable`: whether the schema may have been another when fields were owned.
    """
    stored = managers_of(old)
    sent = (new.get("metadata") or {}).get("managedFields")
    if keeps := bool(subresource) or sent is None or sent == stored:
        managers = _decode_stored(stored)
    elif sent in ([], [{}]):
        managers = {}
    else:
        try:
            managers = decode(sent) or _decode_stored(stored)
        except (ValueError, AttributeError):
            managers = _decode_stored(stored)
    if old is not None and not managers:
        return []
    before = manageable(old if old is not None else empty(schema))
    after = manageable(new)
    key = Key(manager or UNNAMED, "Update", api_version, subresource)
    changes = (
        compare(schema, before, after) if old is not None else Changes(_created(schema, before, after, apart or {}), {})
    )
    in_order = old is None
    if ignored:
        changes = Changes(without(changes.written, ignored), without(changes.removed, ignored))
    unchanged = not changes.written and not changes.removed
    if unchanged and keeps and all(entry.api_version == api_version for entry in managers.values()):
        return stored
    if changeable:
        managers = settle(managers, schema, api_version, before, versions)
    managers = yield_to(managers, None, changes, api_version, (before, after), versions)
    if changes.written:
        mine = managers.get(key)
        if mine is None:
            fields = changes.written if in_order else ordered(changes.written)
        elif difference(changes.written, mine.fields):
            fields = union_in_order(mine.fields, changes.written)
        else:
            fields = mine.fields  # a manager that writes its own fields again: they are in order already
        managers[key] = Entry(api_version, fields, to_second(now))
    return encode(cap(managers))


def _created(schema: Schema, blank: Object, new: Object, apart: Mapping[str, bytes]) -> FieldSet:
    """The fields that are written by creating an object, in order.

    Controllers make thousands of objects from one template: all but their metadata is the same to the byte, and is
    looked through once.
    """
    written: FieldSet = {}
    for name in sorted({*new, *apart}):
        if name == "metadata":
            written |= ordered(compare(schema, {name: blank[name]}, {name: new[name]}).written)
            continue
        encoded = apart[name] if name in apart else orjson.dumps(new[name])
        find = _written_member if len(encoded) <= _LONGEST_REMEMBERED else _written_member.__wrapped__
        written |= find(schema, name, encoded)
    return written


@lru_cache(maxsize=512)
def _written_member(schema: Schema, name: str, encoded: bytes) -> FieldSet:
    """What creating one member of an object writes, in order."""
    blank = empty(schema)
    before = {name: blank[name]} if name in blank else {}
    return ordered(compare(schema, before, {name: orjson.loads(encoded)}).written)


def yield_to(
    managers: Managers,
    writer: Key | None,
    changes: Changes,
    api_version: str,
    objects: tuple[Object, Object],
    versions: Versions | None,
) -> Managers:
    """The managers after others' changed and removed fields are taken away from them.

    `changes` are those between `objects` in the request's version; managers that wrote in another version have
    theirs compared in that one, and those of a version that is not served are forgotten.
    """
    by_version: dict[str, Changes | None] = {api_version: changes}
    result: Managers = {}
    for key, entry in managers.items():
        if key == writer:
            result[key] = entry
            continue
        if entry.api_version not in by_version:
            by_version[entry.api_version] = changes_in(entry.api_version, objects, versions)
        seen = by_version[entry.api_version]
        if seen is None:
            continue
        fields = difference(entry.fields, seen.written) if seen.written else entry.fields
        if seen.removed:
            fields = difference(fields, seen.removed)
        if fields:
            result[key] = entry if fields is entry.fields else entry.owning(fields)
    return result


def changes_in(api_version: str, objects: tuple[Object, Object], versions: Versions | None) -> Changes | None:
    """The changes between two objects as another API version shows them; None for one that is not served."""
    shown = [versions(api_version, document) if versions else None for document in objects]
    if shown[0] is None or shown[1] is None:
        return None
    return compare(shown[0][0], shown[0][1], shown[1][1])


def settle(
    managers: Managers, schema: Schema, api_version: str, document: Object, versions: Versions | None
) -> Managers:
    """The managers of an object whose schema may have been changed since.

    Whoever owned a part of what has become atomic owns all of it.  What has become granular belongs to its owners as
    a whole only: who owns the parts cannot be told.
    https://kubernetes.io/docs/reference/using-api/server-side-apply/#compatibility-across-topology-changes
    """
    schemas: dict[str, Schema | None] = {api_version: schema}
    result: Managers = {}
    for key, entry in managers.items():
        if entry.api_version not in schemas:
            shown = versions(entry.api_version, document) if versions else None
            schemas[entry.api_version] = shown and shown[0]
        of_version = schemas[entry.api_version]
        fields = entry.fields if of_version is None else settled(of_version, entry.fields)
        result[key] = entry if fields is entry.fields else entry.owning(fields)
    return result


def cap(managers: Managers) -> Managers:
    """At most MAX_UPDATE_MANAGERS entries of operation Update: the oldest of each API version become one."""
    updates = [key for key in managers if key.operation == "Update"]
    if len(updates) <= MAX_UPDATE_MANAGERS:
        return managers
    updates.sort(key=lambda key: (managers[key].time, key))
    first: dict[str, Key] = {}
    count = len(updates)
    for key in updates:
        if count <= MAX_UPDATE_MANAGERS:
            break
        entry = managers[key]
        if entry.api_version not in first:
            first[entry.api_version] = key
            continue
        bucket = Key(OLD_UPDATES, "Update", entry.api_version)
        if bucket not in managers:
            managers[bucket] = managers.pop(first[entry.api_version])
        merged = ordered(union(managers[bucket].fields, entry.fields))
        if key != bucket:
            del managers[key]
        managers[bucket] = Entry(entry.api_version, merged, entry.time)
        count -= 1
    return managers
