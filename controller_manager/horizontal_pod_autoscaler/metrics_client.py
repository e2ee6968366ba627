"""The three metrics APIs: of resources, custom and external.  Values are in thousandths.

https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#support-for-metrics-apis
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from api.autoscaling_v2 import CrossVersionObjectReference
from api.duration import parse_duration
from api.errors import NotFound, StatusError
from api.quantity import milli
from api.scheme import GroupVersion
from client.rest import RestClient, Unreachable
from controller_manager.scale import NoSuchKind, Scales

_WINDOW = timedelta(minutes=1)
"""What a value is an average of, where it does not say."""
_CUSTOM = "custom.metrics.k8s.io"


class MetricsError(Exception):
    """There is no value, and why."""


@dataclass(frozen=True)
class PodMetric:
    """`value` is an average over the `window` that ended at `time`."""

    value: int
    time: datetime
    window: timedelta = _WINDOW


PodMetrics = dict[str, PodMetric]
"""By the names of pods."""


class MetricsClient:
    """Every method raises MetricsError."""

    def __init__(self, client: RestClient, scales: Scales) -> None:
        self._client, self._scales = client, scales

    async def resource(self, resource: str, namespace: str, selector: str, container: str = "") -> PodMetrics:
        """What pods use of a resource: all their containers, or one of them."""
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"
        items = await self._items("resource", path, {"labelSelector": selector})
        found: PodMetrics = {}
        for item in items:
            usages = [
                each.get("usage") or {} for each in item.get("containers") or () if container in ("", each["name"])
            ]
            meta = item["metadata"]
            if container and not usages:
                pod = f"{meta['namespace']}/{meta['name']}"
                raise MetricsError(f"container {container} not present in metrics for pod {pod}")
            if usages and all(resource in usage for usage in usages):
                used = sum(milli(usage[resource]) for usage in usages)
                window = timedelta(seconds=parse_duration(item["window"]))
                found[meta["name"]] = PodMetric(used, _time(item), window)
        return found

    async def of_pods(self, metric: str, namespace: str, selector: str, metric_selector: str) -> PodMetrics:
        """A metric that each pod has."""
        path = f"{await self._custom_root()}/namespaces/{namespace}/pods/*/{metric}"
        items = await self._items("custom", path, {"labelSelector": selector, "metricLabelSelector": metric_selector})
        return {
            each["describedObject"]["name"]: PodMetric(milli(each["value"]), _time(each), _window(each))
            for each in items
        }

    async def of_object(
        self, metric: str, namespace: str, about: CrossVersionObjectReference, metric_selector: str
    ) -> int:
        """A metric of one object."""
        root = await self._custom_root()
        if about.kind == "Namespace" and not GroupVersion.parse(about.apiVersion).group:
            path = f"{root}/namespaces/{namespace}/metrics/{metric}"
        else:
            try:
                resource, _ = await self._scales.find(about.apiVersion, about.kind)
            except (NoSuchKind, StatusError, Unreachable) as error:
                raise MetricsError(f"unable to fetch metrics from custom metrics API: {error}") from error
            path = f"{root}/namespaces/{namespace}/{resource.group_resource}/{about.name}/{metric}"
        items = await self._items("custom", path, {"metricLabelSelector": metric_selector})
        if len(items) != 1:
            asked = f"the custom metrics API server returned {len(items)} results when we asked for exactly one"
            raise MetricsError(f"unable to fetch metrics from custom metrics API: {asked}")
        return milli(items[0]["value"])

    async def external(self, metric: str, namespace: str, selector: str) -> list[int]:
        """The values of a metric of something outside the cluster."""
        path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{metric}"
        return [milli(each["value"]) for each in await self._items("external", path, {"labelSelector": selector})]

    async def _custom_root(self) -> str:
        """The newest version that is served."""
        try:
            group = await self._client.get_json(f"/apis/{_CUSTOM}")
        except NotFound:
            message = f"no custom metrics API ({_CUSTOM}) registered"
            raise MetricsError(f"unable to fetch metrics from custom metrics API: {message}") from None
        except (StatusError, Unreachable) as error:
            raise MetricsError(f"unable to fetch metrics from custom metrics API: {error}") from error
        return f"/apis/{max(each['groupVersion'] for each in group['versions'])}"

    async def _items(self, api: str, path: str, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
        given = urlencode({name: value for name, value in parameters.items() if value})
        try:
            document = await self._client.get_json(f"{path}?{given}" if given else path)
        except (StatusError, Unreachable) as error:
            raise MetricsError(f"unable to fetch metrics from {api} metrics API: {error}") from error
        items: list[dict[str, Any]] = document.get("items") or []
        if not items:
            raise MetricsError(f"no metrics returned from {api} metrics API")
        return items


def _time(item: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(item["timestamp"])


def _window(item: Mapping[str, Any]) -> timedelta:
    seconds = item.get("windowSeconds", item.get("window"))
    return _WINDOW if seconds is None else timedelta(seconds=seconds)
