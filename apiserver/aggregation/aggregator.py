"""Keeps the remote servers that APIServices name: follows the objects, checks each server, asks what it serves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from typing import Any

from api.apiregistration_v1 import APIService
from api.errors import Conflict, StatusError
from api.scheme import GroupVersion
from apiserver.aggregation import discovery, openapi
from apiserver.aggregation.availability import LOCAL, Verdict, judge, write_condition
from apiserver.aggregation.forwarding import forward
from apiserver.aggregation.openapi import RemoteOpenAPI
from apiserver.aggregation.remote import LEGACY, Remote, Unanswered, client_of, unverified
from apiserver.endpoint import API
from apiserver.openapi.documents import Body
from apiserver.pki import KeyPair
from apiserver.request import Receive, Request, Send, User
from apiserver.service_target import SERVICE_NAME, SLICES
from apiserver.storage.entry import CacheEvent
from apiserver.storage.protocol import StoreError
from apiserver.storage.watch_cache import key_prefix

log = logging.getLogger(__name__)
_PERIOD = 30.0  # seconds between checks of a server about which nothing has changed
_FIRST_RETRY = 0.005  # seconds until a failed check is repeated; doubled each time, up to the period
_SERVICES = key_prefix("services")
_OPENAPI = "/openapi/v3/"


class Aggregator:
    """`pair` is the certificate we show; `user` is who writes the conditions."""

    def __init__(self, api: API, user: User, pair: KeyPair | None) -> None:
        self._api, self._user, self._pair = api, user, pair
        self._remotes: dict[str, Remote] = {}
        self._paths: dict[str, Remote] = {}
        self._documents: dict[str, RemoteOpenAPI] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._priorities: dict[GroupVersion, tuple[int, int]] = {}
        self._v2 = openapi.MergedV2()
        self._background: set[asyncio.Task[None]] = set()
        self._checking = client_of(unverified(pair))

    async def run(self) -> None:
        """Until the server ends its watches."""
        try:
            while self._api.cache.failure is None:
                try:
                    await self._follow_all()
                    return
                except* StoreError as group:
                    log.warning("looking through the APIServices anew: %s", group.exceptions[0])
        finally:
            for name in list(self._tasks):
                self._drop(name)
            await asyncio.gather(*self._background, self._checking.aclose(), return_exceptions=True)

    async def _follow_all(self) -> None:
        """Raises an ExceptionGroup of StoreErrors."""
        cache = self._api.cache
        services = self._api.endpoint_of(APIService).prefix
        since = cache.revision
        there = {entry.name: entry.document for entry in cache.list(services)}
        for name in self._remotes.keys() - there.keys():
            self._drop(name)
        for name, document in there.items():
            self._hear(self._take, name, document)
        for remote in self._remotes.values():
            remote.changed.set()  # nobody has told of Services and endpoints since the watches ended
        async with asyncio.TaskGroup() as group:
            for prefix, changed in (
                (services, self._service_changed),
                (_SERVICES, lambda event: self._wake(event.entry.namespace, event.entry.name)),
                (SLICES, lambda event: self._wake(event.entry.namespace, _owner(event))),
            ):
                group.create_task(self._follow(prefix, since, changed))

    def metrics(self) -> Iterator[str]:
        """In the Prometheus text format."""
        yield "# TYPE aggregator_unavailable_apiservice gauge"
        for name, remote in sorted(self._remotes.items()):
            yield f'aggregator_unavailable_apiservice{{name="{name}"}} {int(not remote.available)}'

    # --- requests ------------------------------------------------------------------------------

    def remote_of(self, path: str) -> Remote | None:
        """Whose request that is; None for our own."""
        parts = path.split("/", 4)
        if len(parts) > 3 and parts[1] == "apis":
            return self._paths.get(f"/apis/{parts[2]}/{parts[3]}")
        if parts[1:2] == ["api"]:
            return self._paths.get("/api")
        if path.startswith(_OPENAPI):
            wanted = path.removeprefix(_OPENAPI)
            for name, documents in self._documents.items():
                if wanted == documents.path and documents.url and documents.converted is None:
                    return self._remotes[name]
        return None

    async def serve(self, remote: Remote, request: Request, receive: Receive, send: Send) -> None:
        """Raises StatusError before the answer has begun."""
        await forward(self._api, remote, request, receive, send)

    # --- documents -----------------------------------------------------------------------------

    @property
    def _groups(self) -> list[Remote]:
        """All but that of the core group, which no list of groups has."""
        return [remote for remote in self._remotes.values() if remote.name != LEGACY]

    def aggregated(self, document: dict[str, Any]) -> dict[str, Any]:
        """`/apis` in aggregated form."""
        return discovery.merged_aggregated(document, self._groups, self._priorities)

    def group_list(self, document: dict[str, Any]) -> dict[str, Any]:
        """`/apis`."""
        return discovery.merged_group_list(document, self._groups, self._priorities)

    def group(self, name: str, document: dict[str, Any] | None) -> dict[str, Any] | None:
        """`/apis/GROUP`."""
        return discovery.merged_group(name, document, self._groups, self._priorities)

    def paths(self) -> Iterator[str]:
        for remote in self._groups:
            yield from (f"/apis/{remote.group_version.group}", remote.path)

    def openapi_index(self, body: bytes) -> Body:
        """`/openapi/v3`."""
        return openapi.merged_index(body, self._documents.values())

    def openapi_v3(self, path: str) -> Body | None:
        """A document that had to be made for a server that has none of v3."""
        return next((each.converted for each in self._documents.values() if each.path == path), None)

    async def openapi_v2(self, ours: Body, protobuf: bool) -> Body:
        """`/openapi/v2`."""
        ordered = sorted(self._documents, key=lambda name: -int(self._remotes[name].spec["groupPriorityMinimum"]))
        theirs = await asyncio.gather(*(self._documents[name].v2() for name in ordered))
        return await self._v2.body(ours, [document for document in theirs if document.get("paths")], protobuf)

    # --- what is watched -----------------------------------------------------------------------

    async def _follow(self, prefix: str, since: int, changed: Callable[[CacheEvent], None]) -> None:
        async with aclosing(self._api.cache.watch(prefix, "", since)) as events:
            while batch := await events.next_batch():
                for event in batch:
                    self._hear(changed, event)

    @staticmethod
    def _hear(changed: Callable[..., None], *news: Any) -> None:
        """An object that nobody understands keeps no other from being heard of."""
        try:
            changed(*news)
        except Exception:
            log.exception("an APIService, or what it needs, could not be looked at")

    def _service_changed(self, event: CacheEvent) -> None:
        name = event.entry.name
        if event.type != "DELETED":
            self._take(name, event.entry.document)
            return
        self._priorities.pop(_group_version(event.entry.document["spec"]), None)
        self._drop(name)

    def _take(self, name: str, document: dict[str, Any]) -> None:
        """Look at an APIService that is new or has changed."""
        spec = document["spec"]
        self._priorities[_group_version(spec)] = spec["groupPriorityMinimum"], spec["versionPriority"]
        before = self._remotes.get(name)
        if not spec.get("service"):
            if before is not None:
                self._drop(name)
                self._tasks[name] = asyncio.create_task(self._make_local(name))
            return
        available = _is_available(document)
        if before is not None and before.spec == spec:
            if before.available != available:
                before.available = available
                before.changed.set()
            return
        self._drop(name)
        remote = Remote(name, spec, available)
        remote.open(self._pair)
        self._remotes[name] = self._paths[remote.path] = remote
        self._documents[name] = RemoteOpenAPI(self._api, remote)
        self._tasks[name] = asyncio.create_task(self._look_after(remote))

    def _wake(self, namespace: str, name: str) -> None:
        for remote in self._remotes.values():
            if remote.service == (namespace, name):
                remote.changed.set()

    def _drop(self, name: str) -> None:
        """Forget a remote server; requests that are on their way to it go on."""
        remote, task = self._remotes.pop(name, None), self._tasks.pop(name, None)
        self._documents.pop(name, None)
        if remote is not None:
            self._paths.pop(remote.path, None)
            self._keep(remote.let_go())
        if task is not None:
            task.cancel()

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # --- one server ----------------------------------------------------------------------------

    async def _look_after(self, remote: Remote) -> None:
        """For as long as there is its APIService: check it, and ask what it serves."""
        retry = _FIRST_RETRY
        while True:
            remote.changed.clear()
            well = False
            try:
                well = await self._look_at(remote)
            except Exception:
                log.exception("%s could not be checked", remote.name)
            await self._changed(remote, _PERIOD if well else retry)
            retry = _FIRST_RETRY if well else min(2 * retry, _PERIOD)

    async def _look_at(self, remote: Remote) -> bool:
        """Whether nothing is to be gained from looking again soon: what else may change is watched."""
        verdict = await judge(self._api, remote, self._checking)
        remote.available = verdict.status == "True"
        written = await self._write(remote.name, verdict)
        try:
            remote.versions = await discovery.discover(self._api, remote)
        except (Unanswered, StatusError) as error:
            remote.versions = None
            if remote.available:
                log.warning("%s does not say what it serves: %s", remote.name, error)
        await self._documents[remote.name].refresh()
        return written and (remote.versions is not None if remote.available else not verdict.is_failed_check)

    async def _write(self, name: str, verdict: Verdict) -> bool:
        """Whether the condition says it now."""
        try:
            await write_condition(self._api, self._user, name, verdict)
        except Conflict:
            return False  # somebody has just changed the object
        except (StatusError, StoreError) as error:
            log.warning("the condition of %s could not be written: %s", name, error)
            return False
        return True

    async def _make_local(self, name: str) -> None:
        """Say of an APIService that it no longer names a server."""
        retry = _FIRST_RETRY
        while not await self._write(name, LOCAL):
            await self._api.clock.sleep(retry)
            retry = min(2 * retry, _PERIOD)

    async def _changed(self, remote: Remote, seconds: float) -> None:
        """Return when something has happened, or the time is over."""
        waiting = [asyncio.create_task(remote.changed.wait()), asyncio.create_task(self._api.clock.sleep(seconds))]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()


def _group_version(spec: dict[str, Any]) -> GroupVersion:
    return GroupVersion(spec.get("group", ""), spec.get("version", ""))


def _owner(event: CacheEvent) -> str:
    """The name of an EndpointSlice's Service."""
    return event.entry.labels.get(SERVICE_NAME, "")


def _is_available(document: dict[str, Any]) -> bool:
    conditions = document.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Available" and each["status"] == "True" for each in conditions)
