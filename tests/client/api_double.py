"""A stand-in for the API server: a few hundred lines of HTTP over a real loopback socket, all in memory.

It keeps the promises the client library relies on (revisions, optimistic concurrency, watches that resume,
410 after compaction, deletion with finalizers, status as a subresource) and nothing else: no validation, no
defaults, no authentication.  `tests/client/test_api_double.py` runs the same checks on it and, where there is
one, on the real server.  Tests can make it fail: `restart`, `compact`, `refuse`.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from api import errors
from api.scheme import RESOURCES, Resource
from client.config import ClientConfig

Document = dict[str, Any]
_PATH = re.compile(
    r"^/(?:api/v1|apis/(?P<group>[^/]+)/(?P<version>[^/]+))(?:/namespaces/(?P<namespace>[^/]+)(?=/.))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?$"
)


class ApiDouble:
    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Document] = {}
        self.log: list[tuple[int, str, tuple[str, str, str], Document]] = []
        self.revision = 100
        self.compacted = 0
        self.requests: list[str] = []
        self.refuse: Callable[[str, str], errors.StatusError | None] = lambda method, path: None
        self.retry_after = ""
        self.watches = 0
        self.connections = 0
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._held: socket.socket | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.resources = list(RESOURCES)

    @property
    def config(self) -> ClientConfig:
        return ClientConfig(f"http://127.0.0.1:{self.port}")

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**22)
        self.port = self._server.sockets[0].getsockname()[1]
        self._let_go()

    async def stop(self) -> None:
        """As kill -9 does it: every connection breaks at once.  What is stored stays, and so does the port."""
        assert self._server is not None
        for listening in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        for _ in range(3):  # asyncio leaks what it has accepted and not yet handed to `_serve` when a server closes
            await asyncio.sleep(0)
        self._server.close()
        self._let_go()  # of a stop before
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", self.port))
        for writer in [*self._writers]:
            writer.transport.abort()
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def close(self) -> None:
        """Stop for good."""
        await self.stop()
        self._let_go()

    def _let_go(self) -> None:
        """Of the port that is held for the next start."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def compact(self) -> None:
        """Watches that begin at earlier revisions get 410; those that stand are told all the same."""
        self.compacted = self.revision

    # --- the store -------------------------------------------------------------------------------

    async def write(self, kind: str, key: tuple[str, str, str], document: Document) -> Document:
        self.revision += 1
        document["metadata"]["resourceVersion"] = str(self.revision)
        if kind == "DELETED":
            self.objects.pop(key, None)
        else:
            self.objects[key] = document
        self.log.append((self.revision, kind, key, orjson.loads(orjson.dumps(document))))
        async with self._changed:
            self._changed.notify_all()
        return document

    # --- HTTP ------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        self._writers.add(writer)
        self._tasks.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *rest = head.split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in rest) if k}
                method, target, _ = first.split(" ")
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                await self._answer(method, target, headers, body, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter
    ) -> None:
        parts = urlsplit(target)
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        self.requests.append(f"{method} {target}")
        extra = ""
        try:
            refusal = self.refuse(method, parts.path)
            if refusal is not None:
                extra = f"Retry-After: {self.retry_after}\r\n" if self.retry_after else ""
                raise refusal
            if query.get("watch") == "true":
                await self._watch(self._parse(parts.path), query, writer)
                return
            code, answer = await self._handle(method, parts.path, query, headers, body)
        except errors.StatusError as error:
            code, answer = error.http_code, error.status().to_dict()
        data = orjson.dumps(answer)
        extra += f"Content-Length: {len(data)}\r\n"
        writer.write(f"HTTP/1.1 {code} X\r\nContent-Type: application/json\r\n{extra}\r\n".encode() + data)
        await writer.drain()

    def _parse(self, path: str) -> tuple[Resource, str, str, str]:
        own = re.match(r"^/api/v1/namespaces/([^/]+)/(status|finalize)$", path)
        if own:
            return next(r for r in self.resources if r.plural == "namespaces"), "", own[1], own[2]
        found = _PATH.match(path)
        if found:
            for resource in self.resources:
                if (resource.group, resource.plural) == (found["group"] or "", found["plural"]):
                    return resource, found["namespace"] or "", unquote(found["name"] or ""), found["sub"] or ""
        raise errors.NotFound("the server could not find the requested resource")

    async def _handle(
        self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> tuple[int, Document]:
        if path in ("/api", "/apis") or path == "/api/v1" or re.fullmatch("/apis/[^/]+/[^/]+", path):
            return 200, self._discovery(path)
        resource, namespace, name, sub = self._parse(path)
        if method == "POST" and not name:
            return 201, await self._create(resource, namespace, orjson.loads(body))
        key = (resource.group_resource, namespace if resource.namespaced else "", name)
        if not name:
            found = self._select(resource, namespace, query)
            if method == "DELETE":
                for document in found:
                    await self._delete(self._key(resource, document), document, orjson.loads(body or b"{}"))
            return 200, {
                "kind": f"{resource.kind}List",
                "apiVersion": resource.api_version,
                "metadata": {"resourceVersion": str(self.revision)},
                "items": [{k: v for k, v in d.items() if k not in ("kind", "apiVersion")} for d in found],
            }
        current = self.objects.get(key)
        if current is None:
            raise errors.not_found(resource.group, resource.plural, name)
        if method == "GET":
            return 200, current
        if method == "POST" and sub == "binding":
            changed = orjson.loads(orjson.dumps(current))
            changed["spec"]["nodeName"] = orjson.loads(body)["target"]["name"]
            await self.write("MODIFIED", key, changed)
            return 201, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        if method == "DELETE":
            return 200, await self._delete(key, current, orjson.loads(body or b"{}"))
        sent = orjson.loads(body)
        if method == "PATCH":
            sent = merged(orjson.loads(orjson.dumps(current)), sent)
        return 200, await self._update(resource, key, current, sent, sub)

    def _key(self, resource: Resource, document: Document) -> tuple[str, str, str]:
        meta = document["metadata"]
        return resource.group_resource, meta.get("namespace", ""), meta["name"]

    async def _create(self, resource: Resource, namespace: str, document: Document) -> Document:
        meta = document["metadata"]
        if resource.namespaced:
            meta["namespace"] = namespace
        if not meta.get("name"):
            meta["name"] = meta["generateName"] + uuid.uuid4().hex[:5]
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": self.clock().strftime("%Y-%m-%dT%H:%M:%SZ")}
        meta["generation"] = 1
        document.setdefault("kind", resource.kind)
        document.setdefault("apiVersion", resource.api_version)
        if resource.plural == "namespaces":
            document.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
        key = self._key(resource, document)
        if key in self.objects:
            raise errors.already_exists(resource.group, resource.plural, meta["name"])
        return await self.write("ADDED", key, document)

    async def _update(
        self, resource: Resource, key: tuple[str, str, str], current: Document, sent: Document, sub: str
    ) -> Document:
        version = sent["metadata"].get("resourceVersion")
        uid = sent["metadata"].get("uid")
        if (version and version != current["metadata"]["resourceVersion"]) or (
            uid and uid != current["metadata"]["uid"]
        ):
            raise errors.conflict(resource.group, resource.plural, key[2], errors.MODIFIED)
        has_status = resource.plural in ("deployments", "replicasets", "pods", "nodes", "namespaces", "services")
        if sub == "status":
            sent = {**current, "status": sent.get("status", {}), "metadata": sent["metadata"]}
        elif sub == "finalize":
            sent = {**current, "spec": sent.get("spec", {})}
        elif has_status:
            sent = {**sent, "status": current["status"]} if "status" in current else {**sent}
        meta = sent["metadata"] = {**sent["metadata"]}
        for field in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
            meta.pop(field, None)
            if field in current["metadata"]:
                meta[field] = current["metadata"][field]
        meta["generation"] = current["metadata"].get("generation", 1) + (sent.get("spec") != current.get("spec"))
        sent.setdefault("kind", resource.kind)
        sent.setdefault("apiVersion", resource.api_version)
        pending = meta.get("finalizers") or (
            sent.get("spec", {}).get("finalizers") if resource.plural == "namespaces" else None
        )
        if meta.get("deletionTimestamp") and not pending and not meta.get("deletionGracePeriodSeconds"):
            return await self.write("DELETED", key, sent)
        if {**sent, "metadata": {**meta, "resourceVersion": "", "generation": 0}} == {
            **current,
            "metadata": {**current["metadata"], "resourceVersion": "", "generation": 0},
        }:
            return current
        return await self.write("MODIFIED", key, sent)

    async def _delete(self, key: tuple[str, str, str], current: Document, options: Document) -> Document:
        preconditions = options.get("preconditions", {})
        current = orjson.loads(orjson.dumps(current))
        meta = current["metadata"]
        if preconditions.get("uid", meta["uid"]) != meta["uid"] or (
            preconditions.get("resourceVersion", meta["resourceVersion"]) != meta["resourceVersion"]
        ):
            raise errors.conflict("", key[0], key[2], "the precondition failed")
        finalizers = set(meta.get("finalizers", ()))
        policy = options.get("propagationPolicy")
        if policy:
            finalizers -= {"foregroundDeletion", "orphan"}
            finalizers |= {"Foreground": {"foregroundDeletion"}, "Orphan": {"orphan"}}.get(policy, set())
        if finalizers:
            meta["finalizers"] = sorted(finalizers)
        pending = finalizers or (key[0] == "namespaces" and current["spec"].get("finalizers"))
        # With a kubelet's help only: a pod on a node keeps living for its grace period.
        grace = options.get("gracePeriodSeconds", current.get("spec", {}).get("terminationGracePeriodSeconds", 0))
        graceful = key[0] == "pods" and current["spec"].get("nodeName") and grace
        if pending or graceful:
            if key[0] == "namespaces":
                current.setdefault("status", {})["phase"] = "Terminating"
            meta.setdefault("deletionTimestamp", self.clock().strftime("%Y-%m-%dT%H:%M:%SZ"))
            meta["deletionGracePeriodSeconds"] = grace if graceful else 0
            return await self.write("MODIFIED", key, current)
        return await self.write("DELETED", key, current)

    def _select(self, resource: Resource, namespace: str, query: dict[str, str]) -> list[Document]:
        return [
            document
            for key, document in self.objects.items()
            if key[0] == resource.group_resource
            and (not namespace or key[1] == namespace)
            and selected(document, query)
        ]

    async def _watch(
        self, where: tuple[Resource, str, str, str], query: dict[str, str], writer: asyncio.StreamWriter
    ) -> None:
        resource, namespace, _, _ = where
        since = int(query.get("resourceVersion") or self.revision)
        if since < self.compacted:
            raise errors.Expired(f"too old resource version: {since} ({self.compacted})")
        self.watches += 1
        try:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            await writer.drain()
            async for kind, document in self._events(resource, namespace, since):
                if not selected(document, query):
                    continue
                line = orjson.dumps({"type": kind, "object": document}) + b"\n"
                writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                await writer.drain()
        finally:
            self.watches -= 1

    async def _events(self, resource: Resource, namespace: str, since: int) -> AsyncIterator[tuple[str, Document]]:
        while True:
            for revision, kind, key, document in [*self.log]:
                if revision > since:
                    since = revision
                    if key[0] == resource.group_resource and (not namespace or key[1] == namespace):
                        yield kind, document
            async with self._changed:
                if self.revision <= since:
                    await self._changed.wait()

    def _discovery(self, path: str) -> Document:
        group_versions = sorted({r.group_version for r in self.resources}, key=str)
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        if path == "/apis":
            groups = [
                {"name": gv.group, "versions": [{"groupVersion": str(gv), "version": gv.version}]}
                | {"preferredVersion": {"groupVersion": str(gv), "version": gv.version}}
                for gv in group_versions
                if gv.group
            ]
            return {"kind": "APIGroupList", "groups": groups}
        verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
        return {
            "kind": "APIResourceList",
            "groupVersion": path.removeprefix("/apis/").removeprefix("/api/"),
            "resources": [
                {"name": r.plural, "singularName": r.singular, "namespaced": r.namespaced, "kind": r.kind}
                | {"verbs": verbs}
                for r in self.resources
                if r.root == path
            ],
        }


def merged(target: Any, patch: Any) -> Any:
    """JSON Merge Patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    result = {**target} if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def selected(document: Document, query: dict[str, str]) -> bool:
    labels = document["metadata"].get("labels", {})
    for part in filter(None, query.get("labelSelector", "").split(",")):
        name, _, value = part.partition("=")
        if labels.get(name) != value.removeprefix("="):
            return False
    for part in filter(None, query.get("fieldSelector", "").split(",")):
        path, _, value = part.partition("=")
        found: Any = document
        for step in path.split("."):
            found = (found or {}).get(step, "")
        if found != value:
            return False
    return True


@contextlib.asynccontextmanager
async def api_double() -> AsyncIterator[ApiDouble]:
    server = ApiDouble()
    await server.start()
    try:
        yield server
    finally:
        await server.close()
