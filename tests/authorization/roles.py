"""Roles and bindings in a watch cache of their own, for tests of what they allow."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import orjson

from apiserver.authorization.rbac import RBAC
from apiserver.request import RequestInfo, User
from apiserver.storage.memory import MemoryStore
from apiserver.storage.watch_cache import WatchCache

GROUP = "rbac.authorization.k8s.io"


class Policy:
    """The objects, written past the handlers, and the authorizer that reads them."""

    def __init__(self, cache: WatchCache) -> None:
        self.cache = cache
        self.rbac = RBAC(cache)

    async def put(self, plural: str, name: str, document: dict[str, Any], namespace: str = "") -> None:
        key = f"/{plural}.{GROUP}/" + (f"{namespace}/" if namespace else "") + name
        value = orjson.dumps({"metadata": {"name": name}, **document})
        entry = self.cache.get(key)
        if entry is None:
            await self.cache.create(key, value)
        else:
            await self.cache.update(key, value, entry.revision)

    async def remove(self, plural: str, name: str, namespace: str = "") -> None:
        key = f"/{plural}.{GROUP}/" + (f"{namespace}/" if namespace else "") + name
        entry = self.cache.get(key)
        assert entry is not None
        await self.cache.delete(key, None, entry.revision)

    async def role(self, name: str, *rules: dict[str, Any], namespace: str = "") -> None:
        await self.put("roles" if namespace else "clusterroles", name, {"rules": list(rules)}, namespace)

    async def bind(
        self, name: str, role: str, *subjects: dict[str, str], namespace: str = "", cluster_role: bool = True
    ) -> None:
        reference = {"apiGroup": GROUP, "kind": "ClusterRole" if cluster_role else "Role", "name": role}
        plural = "rolebindings" if namespace else "clusterrolebindings"
        await self.put(plural, name, {"roleRef": reference, "subjects": list(subjects)}, namespace)


@contextlib.asynccontextmanager
async def policy() -> AsyncIterator[Policy]:
    store = MemoryStore()
    await store.open()
    cache = WatchCache(store)
    await cache.start()
    try:
        yield Policy(cache)
    finally:
        await cache.stop()
        await store.close()


def rule(verbs: str, resources: str = "", *, groups: str = "", names: str = "", paths: str = "") -> dict[str, Any]:
    found = {
        "verbs": verbs.split(),
        "apiGroups": groups.split() or [""] if resources else [],
        "resources": resources.split(),
        "resourceNames": names.split(),
        "nonResourceURLs": paths.split(),
    }
    return {name: value for name, value in found.items() if value}


def user(name: str) -> dict[str, str]:
    return {"apiGroup": GROUP, "kind": "User", "name": name}


def group(name: str) -> dict[str, str]:
    return {"apiGroup": GROUP, "kind": "Group", "name": name}


def account(name: str, namespace: str = "") -> dict[str, str]:
    return {"kind": "ServiceAccount", "name": name} | ({"namespace": namespace} if namespace else {})


def asks(verb: str, resource: str, namespace: str = "", name: str = "", group: str = "") -> RequestInfo:
    resource, _, subresource = resource.partition("/")
    return RequestInfo(
        "", verb, is_resource=True, group=group, namespace=namespace, resource=resource, subresource=subresource,
        name=name,
    )  # fmt: skip


def asks_path(path: str, verb: str = "get") -> RequestInfo:
    return RequestInfo(path, verb)


def who(name: str, groups: Iterable[str] = ()) -> User:
    return User(name, groups=(*groups, "system:authenticated"))
