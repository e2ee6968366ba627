"""The documents of metrics.k8s.io/v1beta1."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from api.core_v1 import Node, Pod
from api.errors import BadRequest, MethodNotAllowed, NotFound, StatusError
from api.meta_v1 import ObjectMeta, PartialObjectMetadata
from api.scheme import resource_of
from client.rest import RestClient, Unreachable
from controller_manager.metrics_server.usage import Amount, Meter, Usage

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
API_VERSION = f"{GROUP}/{VERSION}"
_VERBS = ["get", "list"]
_RESOURCES = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": API_VERSION,
    "resources": [
        {"name": "nodes", "singularName": "", "namespaced": False, "kind": "NodeMetrics", "verbs": _VERBS},
        {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": _VERBS},
    ],
}
_VERSION_ENTRY = {"groupVersion": API_VERSION, "version": VERSION}
_GROUP_ENTRY = {"name": GROUP, "versions": [_VERSION_ENTRY], "preferredVersion": _VERSION_ENTRY}


class Answers:
    """Answers GETs.  The API server has looked already whether whoever asks may."""

    def __init__(self, client: RestClient, meter: Meter) -> None:
        self._client, self._meter = client, meter

    async def answer(self, method: str, target: str) -> tuple[int, bytes]:
        """Status code and body of a request."""
        try:
            if method not in ("GET", "HEAD"):
                raise MethodNotAllowed("the server does not allow this method on the requested resource")
            return 200, orjson.dumps(await self._document(target))
        except StatusError as error:
            return error.http_code, error.status().encode()
        except Unreachable as error:
            failure = StatusError(str(error))
            return failure.http_code, failure.status().encode()

    async def _document(self, target: str) -> dict[str, Any]:
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        match [unquote(part) for part in url.path.strip("/").split("/")]:
            case ["apis"]:
                return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_GROUP_ENTRY]}
            case ["apis", "metrics.k8s.io"]:
                return {"kind": "APIGroup", "apiVersion": "v1", **_GROUP_ENTRY}
            case ["apis", "metrics.k8s.io", "v1beta1"]:
                return _RESOURCES
            case ["apis", "metrics.k8s.io", "v1beta1", "nodes"]:
                return await self._nodes(query)
            case ["apis", "metrics.k8s.io", "v1beta1", "nodes", name]:
                return await self._node(name)
            case ["apis", "metrics.k8s.io", "v1beta1", "pods"]:
                return await self._pods("", query)
            case ["apis", "metrics.k8s.io", "v1beta1", "namespaces", namespace, "pods"]:
                return await self._pods(namespace, query)
            case ["apis", "metrics.k8s.io", "v1beta1", "namespaces", namespace, "pods", name]:
                return await self._pod(namespace, name)
        raise NotFound("the server could not find the requested resource")

    async def _nodes(self, query: Mapping[str, str]) -> dict[str, Any]:
        found = await self._metadata(Node, "", query)
        usage = await self._meter.usage()
        items = [_node(meta, usage.nodes[meta.name], usage) for meta in found if meta.name in usage.nodes]
        return _list("NodeMetricsList", items)

    async def _node(self, name: str) -> dict[str, Any]:
        meta = await self._one(Node, name, "")
        usage = await self._meter.usage()
        if name not in usage.nodes:
            raise NotFound(f'nodemetrics.{GROUP} "{name}" not found')
        return {"kind": "NodeMetrics", "apiVersion": API_VERSION, **_node(meta, usage.nodes[name], usage)}

    async def _pods(self, namespace: str, query: Mapping[str, str]) -> dict[str, Any]:
        found = await self._metadata(Pod, namespace, query)
        usage = await self._meter.usage() if found else None
        items = []
        for meta in found:
            containers = usage.pods.get((meta.namespace, meta.name)) if usage is not None else None
            if usage is not None and containers is not None:
                items.append(_pod(meta, containers, usage))
        return _list("PodMetricsList", items)

    async def _pod(self, namespace: str, name: str) -> dict[str, Any]:
        meta = await self._one(Pod, name, namespace)
        usage = await self._meter.usage()
        containers = usage.pods.get((namespace, name))
        if containers is None:
            raise NotFound(f'podmetrics.{GROUP} "{namespace}/{name}" not found')
        return {"kind": "PodMetrics", "apiVersion": API_VERSION, **_pod(meta, containers, usage)}

    async def _one(self, kind: type[Node] | type[Pod], name: str, namespace: str) -> ObjectMeta:
        found = await self._client.get(PartialObjectMetadata, name, namespace, resource=resource_of(kind))
        return found.metadata

    async def _metadata(
        self, kind: type[Node] | type[Pod], namespace: str, query: Mapping[str, str]
    ) -> list[ObjectMeta]:
        """Of the objects that a list is to be about, in order.  The API server knows about selectors."""
        if query.get("watch") in ("1", "true"):
            raise BadRequest(f"{API_VERSION} cannot be watched")
        listed = await self._client.list(
            PartialObjectMetadata,
            namespace,
            label_selector=query.get("labelSelector", ""),
            field_selector=query.get("fieldSelector", ""),
            resource=resource_of(kind),
        )
        return [each.metadata for each in listed.items]


def _list(kind: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"kind": kind, "apiVersion": API_VERSION, "metadata": {}, "items": items}


def _node(meta: ObjectMeta, amount: Amount, usage: Usage) -> dict[str, Any]:
    return {**_head(meta, usage), "usage": _amount(amount)}


def _pod(meta: ObjectMeta, containers: Mapping[str, Amount], usage: Usage) -> dict[str, Any]:
    return {
        **_head(meta, usage),
        "containers": [{"name": name, "usage": _amount(amount)} for name, amount in containers.items()],
    }


def _head(meta: ObjectMeta, usage: Usage) -> dict[str, Any]:
    time = _shown(usage.time)
    metadata: dict[str, Any] = {"name": meta.name, "creationTimestamp": time}
    if meta.namespace:
        metadata["namespace"] = meta.namespace
    if meta.labels:
        metadata["labels"] = meta.labels
    return {"metadata": metadata, "timestamp": time, "window": f"{usage.window:.3f}s"}


def _amount(amount: Amount) -> dict[str, str]:
    return {"cpu": f"{amount.cpu}n" if amount.cpu else "0", "memory": f"{amount.memory // 1024}Ki"}


def _shown(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
