"""An API server's worth of behaviour for kubelet tests: objects by key, revisions, watches, patches of status."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

from api.authentication_v1 import TokenRequest, TokenRequestStatus
from api.clock import Clock
from api.core_v1 import Event, Pod
from api.errors import AlreadyExists, Conflict, Forbidden, NotFound
from api.meta_v1 import ListMeta
from client.rest import ObjectList, WatchEvent


class FakeApi:
    """Stands in for RestClient; every write is also in `writes` as (verb, kind, name)."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.objects: dict[tuple[type, str, str], Any] = {}
        self.writes: list[tuple[str, str, str]] = []
        self.statuses: list[dict[str, Any]] = []
        self.fail: list[Exception] = []
        self._revision = itertools.count(1)
        self._now = "0"
        self.on_delete: Callable[[Any], object] = lambda obj: None
        self._watchers: list[tuple[type, str, str, asyncio.Queue[WatchEvent[Any]]]] = []

    # --- what RestClient offers ------------------------------------------------------------------

    async def get(self, model: type, name: str, namespace: str = "", **_: Any) -> Any:
        return self._get(model, namespace, name).copy_deep()

    async def list(self, model: type, namespace: str = "", *, field_selector: str = "", **_: Any) -> ObjectList[Any]:
        items = [o.copy_deep() for o in self._of(model, namespace) if _matches(o, field_selector)]
        return ObjectList(items, ListMeta(resourceVersion=self._now))

    async def watch(
        self, model: type, namespace: str = "", *, field_selector: str = "", **_: Any
    ) -> AsyncIterator[WatchEvent[Any]]:
        queue: asyncio.Queue[WatchEvent[Any]] = asyncio.Queue()
        entry = (model, namespace, field_selector, queue)
        self._watchers.append(entry)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.remove(entry)

    async def create(self, obj: Any, **_: Any) -> Any:
        self._may_fail("create", obj)
        key = (type(obj), obj.metadata.namespace, obj.metadata.name)
        if key in self.objects:
            raise AlreadyExists(f"{obj.metadata.name} exists")
        self.writes.append(("create", type(obj).__name__, obj.metadata.name))
        return self.add(obj)

    async def update(self, obj: Any, **_: Any) -> Any:
        self._may_fail("update", obj)
        current = self._get(type(obj), obj.metadata.namespace, obj.metadata.name)
        if current.metadata.resourceVersion != obj.metadata.resourceVersion:
            raise Conflict("modified")
        self.writes.append(("update", type(obj).__name__, obj.metadata.name))
        return self._store(obj, "MODIFIED")

    async def patch(
        self, model: type, name: str, namespace: str, body: Any, *, type: str = "merge", subresource: str = "", **_: Any
    ) -> Any:
        current = self._get(model, namespace, name)
        self._may_fail("patch", current)
        uid = body.get("metadata", {}).get("uid")
        if uid and uid != current.metadata.uid:
            raise Conflict("uid")
        await asyncio.sleep(0)
        self.writes.append(("patch", model.__name__, name))
        if model is Pod:
            self.statuses.append(body["status"])
        document = _merged(current.to_dict(), body)
        return self._store(model.from_dict(document), "MODIFIED")  # type: ignore[attr-defined]

    async def delete(
        self, model: type, name: str, namespace: str = "", *, grace_period: int | None = None, uid: str = "", **_: Any
    ) -> None:
        current = self._get(model, namespace, name)
        if uid and uid != current.metadata.uid:
            raise Conflict("uid")
        self.writes.append(("delete", model.__name__, name))
        if grace_period == 0 or model is not Pod:
            self.remove(current)
            return
        grace = grace_period if grace_period is not None else current.spec.terminationGracePeriodSeconds or 30
        changed = current.copy_deep()
        changed.metadata.deletionTimestamp = self.clock.now()
        changed.metadata.deletionGracePeriodSeconds = grace
        self._store(changed, "MODIFIED")

    async def create_subresource(self, model: type, name: str, namespace: str, subresource: str, body: Any) -> Any:
        assert isinstance(body, TokenRequest)
        assert body.spec.boundObjectRef is not None
        from datetime import timedelta

        self.writes.append(("token", model.__name__, name))
        expires = self.clock.now() + timedelta(seconds=body.spec.expirationSeconds or 3600)
        token = f"token-{next(self._revision)}-for-{body.spec.boundObjectRef.name}"
        return body.model_copy(update={"status": TokenRequestStatus(token=token, expirationTimestamp=expires)})

    # --- what tests do ---------------------------------------------------------------------------

    def add(self, obj: Any) -> Any:
        """Create an object."""
        obj = obj.copy_deep()
        obj.metadata.uid = obj.metadata.uid or f"uid-{obj.metadata.name}-{next(self._revision)}"
        obj.metadata.generation = obj.metadata.generation or 1
        return self._store(obj, "ADDED")

    def change(self, obj: Any) -> Any:
        """Replace an object, whatever its revision."""
        return self._store(obj.copy_deep(), "MODIFIED")

    def remove(self, obj: Any) -> None:
        """Delete an object at once."""
        self.on_delete(obj)
        del self.objects[type(obj), obj.metadata.namespace, obj.metadata.name]
        self._tell("DELETED", obj)

    def pod(self, name: str, namespace: str = "default") -> Any:
        return self.objects.get((Pod, namespace, name))

    def events(self, reason: str = "") -> list[Any]:
        found = [o for (kind, _, _), o in self.objects.items() if kind is Event]
        return [event for event in found if reason in ("", event.reason)]

    # --- inside ----------------------------------------------------------------------------------

    def _get(self, model: type, namespace: str, name: str) -> Any:
        try:
            return self.objects[model, namespace, name]
        except KeyError:
            raise NotFound(f'{model.__name__.lower()}s "{name}" not found') from None

    def _of(self, model: type, namespace: str) -> list[Any]:
        return [o for (kind, ns, _), o in self.objects.items() if kind is model and namespace in ("", ns)]

    def _may_fail(self, verb: str, obj: Any) -> None:
        if self.fail and type(obj) is not Event:
            error = self.fail.pop(0)
            raise error

    def _store(self, obj: Any, kind: str) -> Any:
        self._now = str(next(self._revision))
        obj = obj.copy_deep()
        obj.metadata.resourceVersion = self._now
        self.objects[type(obj), obj.metadata.namespace, obj.metadata.name] = obj
        self._tell(kind, obj)
        return obj.copy_deep()

    def _tell(self, kind: str, obj: Any) -> None:
        for model, namespace, selector, queue in self._watchers:
            if model is type(obj) and namespace in ("", obj.metadata.namespace) and _matches(obj, selector):
                queue.put_nowait(WatchEvent(kind, obj.copy_deep()))


def forbidden() -> Forbidden:
    return Forbidden("no")


def _matches(obj: Any, selector: str) -> bool:
    if not selector:
        return True
    negated = "!=" in selector
    path, _, value = selector.partition("!=" if negated else "=")
    for part in path.split("."):
        obj = getattr(obj, part)
    return bool((obj != value) if negated else (obj == value))


def _merged(document: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Strategic merge, as far as statuses go: conditions by type, addresses by their `$patch`."""
    for key, value in patch.items():
        if value is None:
            document.pop(key, None)
        elif isinstance(value, dict):
            document[key] = _merged(dict(document.get(key, {})), value)
        elif key == "conditions":
            known = {item["type"]: item for item in document.get(key, [])}
            for item in value:
                known[item["type"]] = _merged(dict(known.get(item["type"], {})), item)
            document[key] = list(known.values())
        elif isinstance(value, list):
            document[key] = [item for item in value if not (isinstance(item, dict) and "$patch" in item)]
        else:
            document[key] = value
    return document
