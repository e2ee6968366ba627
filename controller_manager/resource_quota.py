"""Keeps the status of ResourceQuotas: what is enforced, and what the objects of a namespace use.

The API server adds what a new object uses before it stores it.  What is given back is found out here, and so is what
was there before the quota, or was counted for an object that came to nothing.
https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from api.core_v1 import ResourceQuota, ResourceQuotaStatus
from api.errors import NotFound, StatusError
from api.meta_v1 import PartialObjectMetadata
from api.quantity import parse
from api.quota_usage import Usage, in_scope, is_tracked, scopes_of, usage_of
from api.resources import add_amounts
from api.scheme import RESOURCES, Resource
from client.controller import Controller, Key, NotYet, Watches
from client.discovery import discover
from client.informer import Informer
from client.rest import Unreachable
from client.store import key_of

_READ_WHOLE = ("pods", "services", "persistentvolumeclaims", "resourceclaims.resource.k8s.io")
"""What uses more than one of its kind.  Of all else the metadata is enough."""
_ROUND, _DISCOVERY = "all quotas", "new kinds"  # no object has a name with a space
_GIVEN_BACK, _ADDED = 0.05, 1.0
"""Seconds in which changes become one count.  What is added has been counted for when it was admitted."""
_DISCOVERY_PERIOD = 30.0
_BUILT_IN = {resource.group_resource: resource for resource in reversed(RESOURCES) if resource.is_stored}


class ResourceQuotaController(Controller):
    """A collection is watched from when a quota asks for it: clusters without quotas pay nothing."""

    name = "resourcequota-controller"

    def __init__(self, *common: Any, sync_period: float = 300.0) -> None:
        """`sync_period`: seconds between counts of everything."""
        self._period = sync_period
        self._custom: dict[str, Resource] = {}
        self._has_looked = False
        self._may_fall: set[Key] = set()
        """Quotas whose use may be less than their status says."""
        self._unsure: set[Key] = set()
        """Those that say what was counted when something was given back, by a copy that admission may be ahead of."""
        self._watched: dict[str, Informer[Any]] = {}
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        self.quotas = watch(ResourceQuota, enqueue=self._quota_changed)
        self.queue.add(_ROUND)

    def _quota_changed(self, old: ResourceQuota | None, new: ResourceQuota | None) -> Iterable[Key]:
        """That admission has added to a status is no reason to count."""
        if new is not None and (old is None or new.spec != old.spec or new.status.hard != new.spec.hard):
            yield key_of(new)
        elif new is not None and key_of(new) in self._unsure:
            self._unsure.discard(key_of(new))
            self._may_fall.add(key_of(new))
            self.queue.add_after(key_of(new), _ADDED)

    def _changed(self, resource: str, old: Any, new: Any) -> None:
        now = self.clock.now()
        for quota in self.quotas.in_namespace((new or old).metadata.namespace):
            # The last that is seen of a pod deleted at once is overdue already, which it was not when it was counted.
            before = share(quota, resource, old, now if new is not None else None)
            if before != share(quota, resource, new, now):
                if old is not None:
                    self._may_fall.add(key_of(quota))
                self.queue.add_after(key_of(quota), _ADDED if old is None else _GIVEN_BACK)

    async def reconcile(self, key: Key) -> None:
        if key == _ROUND:
            self.queue.add_after(key, self._period)
            for each in self.quotas:
                self._may_fall.add(key_of(each))
                self.queue.add(key_of(each))
        elif key == _DISCOVERY:
            await self._discover()
        else:
            quota, may_fall = self.quotas.get(key), key in self._may_fall
            self._may_fall.discard(key)
            if quota is not None:
                try:
                    await self._count(quota, may_fall=may_fall)
                except Exception:
                    self._may_fall.update([key] if may_fall else [])
                    raise

    async def _count(self, quota: ResourceQuota, *, may_fall: bool) -> None:
        spec, status, now = quota.spec, quota.status, self.clock.now()
        used: Usage = {}
        for resource in self._tracked(quota):
            informer = self._informer(resource)
            if not informer.has_synced:
                raise NotYet(f"{key_of(quota)}: {resource.group_resource} have not been read yet")
            name = resource.group_resource
            add_amounts(used, {each: "0" for each in spec.hard if is_tracked(name, each)})
            for obj in informer.store.in_namespace(quota.metadata.namespace):
                add_amounts(used, share(quota, name, obj, now))
        known = {name: amount for name, amount in status.used.items() if name in spec.hard}
        if not may_fall:  # admission adds to it what is stored, and heard of, only later
            used = {name: max(amount, known.get(name, amount), key=parse) for name, amount in used.items()}
        # Where it cannot be said what is used, what was said last stands.
        used = known | used
        if status.hard == spec.hard and _same(status.used, used):
            self._unsure.update([key_of(quota)] if may_fall else [])
            return
        counted = quota.model_copy(update={"status": ResourceQuotaStatus(hard=spec.hard, used=used)})
        try:
            await self.client.update(counted, subresource="status")  # a Conflict means: count again
        except NotFound:
            return

    def _tracked(self, quota: ResourceQuota) -> Iterator[Resource]:
        """The collections whose objects a quota limits."""
        for resource in _BUILT_IN.values():
            if resource.group_resource in _READ_WHOLE or not resource.group:
                tracked = any(is_tracked(resource.group_resource, name) for name in quota.spec.hard)
            else:
                tracked = f"count/{resource.group_resource}" in quota.spec.hard
            if tracked and resource.plural != "events":
                yield resource
        others = [
            name.removeprefix("count/")
            for name in quota.spec.hard
            if name.startswith("count/") and name.removeprefix("count/") not in _BUILT_IN
        ]
        if others:
            self.queue.add_after(_DISCOVERY, _DISCOVERY_PERIOD if self._has_looked else 0)
        yield from (self._custom[name] for name in others if name in self._custom)

    async def _discover(self) -> None:
        """Look which kinds of custom resources there are; where that changes, count again."""
        try:
            found = await discover(self.client)
        except (StatusError, Unreachable) as error:
            raise NotYet(f"discovery: {error}") from error
        served = {s.resource.group_resource: s.resource for s in found.with_verbs("list", "watch", "delete")}
        custom = {name: resource for name, resource in served.items() if name not in _BUILT_IN}
        changed = custom.keys() ^ self._custom.keys()
        for name in self._custom.keys() - custom.keys():
            if (informer := self._watched.pop(name, None)) is not None:
                self.informers.drop(informer)
        self._custom, self._has_looked = custom, True
        wanted = [q for q in self.quotas if any(n.removeprefix("count/") not in _BUILT_IN for n in q.spec.hard)]
        for quota in wanted:
            if any(f"count/{name}" in quota.spec.hard for name in changed):
                self.queue.add(key_of(quota))
        if wanted:
            self.queue.add_after(_DISCOVERY, _DISCOVERY_PERIOD)

    def _informer(self, resource: Resource) -> Informer[Any]:
        """One that is open already, where there is one.  It may be another one than last time."""
        name = resource.group_resource
        model = resource.model if name in _READ_WHOLE else PartialObjectMetadata
        informer = self.informers.whole(resource) or self.informers.of(model, resource=resource)
        if self._watched.get(name) is not informer:
            self._watched[name] = informer
            informer.on_change(partial(self._changed, name))
            self.informers.start()
        return informer


def share(quota: ResourceQuota, resource: str, obj: Any, now: datetime | None) -> Usage:
    """What an object of a resource (as in `Resource.group_resource`) uses of a quota; without `now`, overdue or not."""
    if obj is None or not all(in_scope(resource, scope, obj) for scope in scopes_of(quota)):
        return {}
    if resource == "pods" and now is not None and _is_overdue(obj.metadata, now):
        return {}
    return {name: amount for name, amount in usage_of(resource, obj).items() if name in quota.spec.hard}


def _is_overdue(metadata: Any, now: datetime) -> bool:
    """Whether a pod should have been gone for its grace period: its node is lost, and shall not keep others out."""
    going, grace = metadata.deletionTimestamp, metadata.deletionGracePeriodSeconds
    return going is not None and grace is not None and now > going + timedelta(seconds=grace)


def _same(one: Usage, other: Usage) -> bool:
    return one.keys() == other.keys() and all(parse(amount) == parse(other[name]) for name, amount in one.items())
