"""Server-side apply: a client says what it wants and owns exactly that (KEP-555).

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from api.errors import BadRequest, Conflict
from api.meta_v1 import StatusCause, StatusDetails
from api.rfc3339 import to_second
from api.schema import Schema
from apiserver.patch import typed
from apiserver.patch.field_set import FieldSet, difference, intersection, ordered, paths, union, without
from apiserver.patch.json_value import equal
from apiserver.patch.managed_fields import (
    Entry,
    Key,
    Managers,
    Versions,
    changes_in,
    decode,
    encode,
    manageable,
    managers_of,
    settle,
    yield_to,
)
from apiserver.patch.typed import Changes, Object, fields_of

KUBECTL = "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
BEFORE_FIRST_APPLY = "before-first-apply"
MAX_ANNOTATIONS_BYTES = 256 * 1024

Conflicts = dict[Key, FieldSet]


def apply(
    schema: Schema,
    live: Object | None,
    applied: Object,
    manager: str,
    force: bool,
    api_version: str,
    now: datetime,
    subresource: str = "",
    *,
    ignored: FieldSet | None = None,
    versions: Versions | None = None,
) -> Object:
    """The object after an apply, with its `metadata.managedFields`; for a new object `live` is None.

    What is neither applied nor set is still to be defaulted.  When nothing changed the result equals `live`;
    when only managers did, it differs in managedFields alone.  `ignored` are fields this endpoint does not
    write.

    Raises Conflict for fields that others own with other values, unless forced, and BadRequest for a
    configuration that does not fit the schema.
    """
    if (applied.get("metadata") or {}).get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    if found := list(typed.problems(schema, applied)):
        text = found[0] if len(found) == 1 else "\n".join(["errors:", *(f"  {problem}" for problem in found)])
        raise BadRequest(f"failed to create typed patch object ({_name(applied)}): {text}")
    attempt = _Apply(
        schema, live, applied, Key(manager, "Apply", "", subresource), api_version, ignored or {}, versions
    )
    try:
        result = attempt.run(now, force)
    except _Conflicting as error:
        conflicts = error.conflicts
        if manager == KUBECTL and live is not None:
            allowed = _client_side_applied(schema, live, api_version)
            if allowed is not None:
                rest = {key: difference(fields, allowed) for key, fields in conflicts.items()}
                conflicts = {key: fields for key, fields in rest.items() if fields}
        if conflicts:
            raise _conflict(conflicts) from None
        result = attempt.run(now, True)
    if manager == KUBECTL:
        _sync_last_applied(result, applied)
    return result


_NAME: FieldSet = {"f:metadata": {"f:name": {}}}


class _Conflicting(Exception):
    def __init__(self, conflicts: Conflicts) -> None:
        self.conflicts = conflicts


class _Apply:
    def __init__(
        self,
        schema: Schema,
        live: Object | None,
        applied: Object,
        key: Key,
        api_version: str,
        ignored: FieldSet,
        versions: Versions | None,
    ) -> None:
        self.schema, self.applied, self.key = schema, applied, key
        self.api_version, self.ignored, self.versions = api_version, ignored, versions
        self.is_new = live is None
        self.live: Object = typed.empty(schema) if live is None else live

    def run(self, now: datetime, force: bool) -> Object:
        managers = self.managers(now)
        last = managers.get(self.key)
        fields = without(fields_of(self.schema, manageable(self.applied)), self.ignored)
        fields = difference(fields, {"f:metadata": {}})
        managers[self.key] = Entry(self.api_version, ordered(fields), last.time if last else "")
        merged = typed.merge(self.schema, self.live, self.applied)
        if last is not None and difference(last.fields, fields):
            merged = self.pruned(merged, managers, last)
        objects = (manageable(self.live), manageable(merged))
        changes = typed.compare(self.schema, *objects)
        if self.ignored:
            changes = Changes(without(changes.written, self.ignored), without(changes.removed, self.ignored))
        if not force and (conflicts := self.conflicts(managers, changes, objects)):
            raise _Conflicting(conflicts)
        managers = yield_to(managers, self.key, changes, self.api_version, objects, self.versions)
        mine = managers.pop(self.key)
        changed = self.is_new or not equal(self.live, merged)
        if mine.fields:
            managers[self.key] = Entry(mine.api_version, mine.fields, to_second(now) if changed else mine.time)
        return _with_managers(merged if changed else self.live, encode(managers))

    def managers(self, now: datetime) -> Managers:
        """Who owns the live object's fields.  On the first apply to an object that has no managers, one is made
        up that owns everything."""
        try:
            managers = decode(managers_of(self.live))
        except (ValueError, AttributeError) as error:
            raise BadRequest(f"failed to decode managed fields: {error}") from None
        if managers or self.is_new:
            return settle(managers, self.schema, self.api_version, self.live, self.versions)
        everything = typed.compare(self.schema, manageable(typed.empty(self.schema)), manageable(self.live)).written
        if not everything:
            return {}
        key = Key(BEFORE_FIRST_APPLY, "Update", self.api_version, self.key.subresource)
        return {key: Entry(self.api_version, ordered(everything), to_second(now))}

    def conflicts(self, managers: Managers, changes: Changes, objects: tuple[Object, Object]) -> Conflicts:
        found: Conflicts = {}
        for key, entry in managers.items():
            if key == self.key:
                continue
            seen: Changes | None = changes
            if entry.api_version != self.api_version:
                seen = changes_in(entry.api_version, objects, self.versions)
            if seen is not None and (fields := intersection(entry.fields, seen.written)):
                found[key] = fields
        return found

    def pruned(self, merged: Object, managers: Managers, last: Entry) -> Object:
        """The merged object without what this manager applied last time, did not apply now, and nobody else
        owns."""
        schema = self.schema
        in_last = typed.with_parents(schema, last.fields)
        in_merged = typed.with_parents(schema, fields_of(schema, merged))
        pruned = typed.remove(schema, merged, in_last) or {}

        owned: FieldSet = _NAME  # every configuration has one, though nobody is noted as its owner
        for entry in managers.values():
            if entry.api_version == self.api_version or (self.versions and self.versions(entry.api_version, merged)):
                owned = union(owned, entry.fields)  # most fields have the same name in all versions
        kept = union(typed.with_parents(schema, fields_of(schema, pruned)), typed.with_parents(schema, owned))
        pruned = typed.remove(schema, merged, difference(in_merged, kept)) or {}

        gone = difference(in_merged, typed.with_parents(schema, fields_of(schema, pruned)))
        result: Object = typed.remove(schema, merged, intersection(gone, in_last)) or {}
        return result


def _with_managers(document: Object, entries: list[Object]) -> Object:
    metadata = {**(document.get("metadata") or {}), "managedFields": entries}
    if not entries:
        del metadata["managedFields"]
    return {**document, "metadata": metadata}


def _name(document: Object) -> str:
    metadata = document.get("metadata") or {}
    if not isinstance(metadata, dict):
        metadata = {}
    version = document.get("apiVersion", "")
    version = version if "/" in version else f"/{version}"
    return f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {version}, Kind={document.get('kind', '')}"


def _conflict(conflicts: Conflicts) -> Conflict:
    found = sorted((tuple(key), _manager(key), list(paths(ordered(fields)))) for key, fields in conflicts.items())
    causes = [
        StatusCause(reason="FieldManagerConflict", message=f"conflict with {manager}", field=path)
        for _, manager, fields in found
        for path in fields
    ]
    if len(causes) == 1:
        text = f"1 conflict: {causes[0].message}: {causes[0].field}"
    else:
        lines = []
        for _, manager, fields in found:
            lines += [f"conflicts with {manager}:", *(f"- {path}" for path in fields)]
        text = f"{len(causes)} conflicts: " + "\n".join(lines)
    return Conflict(f"Apply failed with {text}", StatusDetails(causes=causes))


def _manager(key: Key) -> str:
    text = orjson.dumps(key.manager).decode()
    if key.subresource:
        text += f" with subresource {orjson.dumps(key.subresource).decode()}"
    return f"{text} using {key.api_version}" if key.operation == "Update" else text


# --- from client-side to server-side apply -------------------------------------------------------


def _client_side_applied(schema: Schema, live: Object, api_version: str) -> FieldSet | None:
    """The fields that `kubectl apply` wrote before it was told to apply on the server, and that still have the
    values it wrote: kubectl may take them over without force.  None when it did not write this object."""
    annotations = (live.get("metadata") or {}).get("annotations") or {}
    try:
        last: Any = orjson.loads(annotations.get(LAST_APPLIED, ""))
    except orjson.JSONDecodeError:
        return None
    if not isinstance(last, dict) or last.get("apiVersion") != api_version or any(typed.problems(schema, last)):
        return None
    changes = typed.compare(schema, manageable(last), manageable(live))
    fields = fields_of(schema, manageable(last))
    return difference(difference(fields, changes.written), changes.removed)


def _sync_last_applied(result: Object, applied: Object) -> None:
    """Keep kubectl's annotation true, so that client-side apply can still be used afterwards."""
    metadata = result["metadata"]
    annotations = metadata.get("annotations") or {}
    if not annotations.get(LAST_APPLIED):
        return
    document = dict(applied)
    if own := (applied.get("metadata") or {}).get("annotations"):
        document["metadata"] = {
            **applied["metadata"],
            "annotations": {name: value for name, value in own.items() if name != LAST_APPLIED},
        }
    text = orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    annotations = {**annotations, LAST_APPLIED: text}
    if sum(len(name) + len(value) for name, value in annotations.items()) > MAX_ANNOTATIONS_BYTES:
        del annotations[LAST_APPLIED]
    metadata["annotations"] = annotations
