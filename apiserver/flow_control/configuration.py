"""Keeps the configuration of flow control: the built-in objects exist, and every flow schema says whether its level does.

See https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#maintenance-of-the-mandatory-and-suggested-configuration-objects.
"""  # noqa: E501

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import aclosing
from typing import Any

import orjson

from api.clock import Clock
from api.scheme import FLOWCONTROL_V1, RESOURCES
from apiserver.built_in_objects import ensure
from apiserver.flow_control.bootstrap_configuration import LEVELS, MANDATORY_LEVELS, MANDATORY_SCHEMAS, SCHEMAS
from apiserver.storage.entry import Entry
from apiserver.storage.protocol import KeyMissing, RevisionMismatch, StoreError
from apiserver.storage.watch_cache import WatchCache, key_prefix

log = logging.getLogger(__name__)

Document = dict[str, Any]

_RESOURCES = {resource.plural: resource for resource in RESOURCES if resource.group_version == FLOWCONTROL_V1}
_SCHEMAS, _LEVELS = _RESOURCES["flowschemas"], _RESOURCES["prioritylevelconfigurations"]
_AUTO_UPDATE = "apf.kubernetes.io/autoupdate-spec"
_RETRY = 1.0  # seconds until all is looked through anew
_PRODUCER = "api-priority-and-fairness-config-producer-v1"
_CONSUMER = "api-priority-and-fairness-config-consumer-v1"
_OWNED_STATUS: Document = {
    "f:status": {
        "f:conditions": {
            'k:{"type":"Dangling"}': {
                ".": {},
                **{f"f:{name}": {} for name in ("lastTransitionTime", "message", "reason", "status", "type")},
            }
        }
    }
}


class FlowControlConfiguration:
    """Writes as JSON, past the handlers: see `apiserver.built_in_objects`."""

    def __init__(self, cache: WatchCache, clock: Clock) -> None:
        self._cache = cache
        self._clock = clock

    async def run(self) -> None:
        """Until the server ends its watches."""
        again = False
        while self._cache.failure is None:
            try:
                await self._follow_all(again)
                return
            except* StoreError as group:
                log.warning("looking through the flow schemas anew: %s", group.exceptions[0])
            await self._clock.sleep(_RETRY)
            again = True

    async def _follow_all(self, again: bool) -> None:
        """`again`: nobody has told what was deleted meanwhile.  Raises an ExceptionGroup of StoreErrors."""
        since = self._cache.revision
        async with asyncio.TaskGroup() as group:
            for resource in (_LEVELS, _SCHEMAS):
                group.create_task(self._follow(key_prefix(resource.group_resource), since))
            if again:
                await self.ensure_built_in()
            await self._judge_schemas()

    async def ensure_built_in(self) -> None:
        """Create what is missing, and bring back into shape what is there."""
        now = self._clock.now()
        for resource, specs in ((_LEVELS, LEVELS), (_SCHEMAS, SCHEMAS)):
            wanted = [_object(name, spec) for name, spec in specs.items()]
            await ensure(self._cache, now, resource, wanted, _owned, merge, manager=_PRODUCER)

    async def _follow(self, prefix: str, since: int) -> None:
        async with aclosing(self._cache.watch(prefix, "", since)) as events:
            while batch := await events.next_batch():
                if any(event.type == "DELETED" and _is_mandatory(event.entry) for event in batch):
                    await self.ensure_built_in()
                await self._judge_schemas()

    async def _judge_schemas(self) -> None:
        levels = {entry.name for entry in self._cache.list(key_prefix(_LEVELS.group_resource))}
        await asyncio.gather(
            *(self._judge(entry, levels) for entry in self._cache.list(key_prefix(_SCHEMAS.group_resource)))
        )

    async def _judge(self, entry: Entry, levels: set[str]) -> None:
        document = entry.document
        level = document["spec"]["priorityLevelConfiguration"]["name"]
        status, reason, rest = "False", "Found", "and it exists"
        if level not in levels:
            status, reason, rest = "True", "NotFound", "but there is no such object"
        conditions = document.setdefault("status", {}).setdefault("conditions", [])
        former: Document = next((each for each in conditions if each.get("type") == "Dangling"), {})
        message = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" {rest}'
        if (former.get("status"), former.get("message")) == (status, message):
            return
        time = f"{self._clock.now():%FT%TZ}"
        since = former.get("lastTransitionTime") if former.get("status") == status else time
        new = {"type": "Dangling", "status": status, "lastTransitionTime": since, "reason": reason, "message": message}
        document["status"]["conditions"] = [each for each in conditions if each is not former] + [new]
        _own_status(document["metadata"], time)
        document["metadata"].pop("resourceVersion", None)
        # Where it has changed or gone meanwhile, that is the next event.
        with contextlib.suppress(KeyMissing, RevisionMismatch):
            await self._cache.update(entry.key, orjson.dumps(document), entry.revision, document)


def _is_mandatory(entry: Entry) -> bool:
    mandatory = MANDATORY_SCHEMAS if entry.key.startswith(key_prefix(_SCHEMAS.group_resource)) else MANDATORY_LEVELS
    return entry.name in mandatory


def _object(name: str, spec: Document) -> Document:
    return {
        "metadata": {"name": name, "generation": 1, "annotations": {_AUTO_UPDATE: "true"}},
        "spec": spec,
        "status": {},
    }


def _owned(document: Document) -> Document:
    return {"f:spec": _owned_fields(document["spec"])}


def _owned_fields(value: Document) -> Document:
    """Lists are owned as a whole, pointers to structs also as themselves; the level's name is no pointer's."""
    fields: Document = {}
    for name in sorted(value):
        if not isinstance(value[name], dict):
            fields[f"f:{name}"] = {}
            continue
        inner = _owned_fields(value[name])
        fields[f"f:{name}"] = inner if name == "priorityLevelConfiguration" else {".": {}, **inner}
    return fields


def merge(existing: Document, wanted: Document) -> bool:
    """Take the built-in spec over, unless somebody has said that theirs stays."""
    metadata = existing["metadata"]
    annotations = metadata.setdefault("annotations", {})
    if annotations.get(_AUTO_UPDATE) == "false" and metadata["name"] not in (*MANDATORY_LEVELS, *MANDATORY_SCHEMAS):
        return False
    if existing["spec"] == wanted["spec"] and annotations.get(_AUTO_UPDATE) == "true":
        return False
    annotations[_AUTO_UPDATE] = "true"
    if existing["spec"] != wanted["spec"]:
        existing["spec"] = wanted["spec"]
        metadata["generation"] = metadata.get("generation", 0) + 1
    return True


def _own_status(metadata: Document, time: str) -> None:
    managers = [each for each in metadata.get("managedFields", []) if each["manager"] != _CONSUMER]
    own = {
        "manager": _CONSUMER,
        "operation": "Apply",
        "apiVersion": str(FLOWCONTROL_V1),
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": _OWNED_STATUS,
        "subresource": "status",
    }
    applied = sum(each["operation"] == "Apply" for each in managers)
    metadata["managedFields"] = [*managers[:applied], own, *managers[applied:]]
