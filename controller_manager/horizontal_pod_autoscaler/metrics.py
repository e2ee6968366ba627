"""What each metric of an autoscaler asks for, and how that is reported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from api.autoscaling_v2 import (
    ContainerResourceMetricStatus,
    ExternalMetricSource,
    ExternalMetricStatus,
    MetricSpec,
    MetricStatus,
    MetricTarget,
    MetricValueStatus,
    ObjectMetricSource,
    ObjectMetricStatus,
    PodsMetricSource,
    PodsMetricStatus,
    ResourceMetricStatus,
)
from api.meta_v1 import LabelSelector
from api.quantity import format_as, milli
from api.selectors import LabelMatcher
from controller_manager.horizontal_pod_autoscaler import replica_calculator as calculate
from controller_manager.horizontal_pod_autoscaler.metrics_client import MetricsClient, MetricsError
from controller_manager.horizontal_pod_autoscaler.replica_calculator import Situation
from controller_manager.selectors import shown

_NEITHER = "invalid {} metric source: neither a value target nor an average value target was set"
_NEITHER_USE = (
    "invalid resource metric source: neither an average utilization target nor an average value (usage) target was set"
)


@dataclass(frozen=True)
class Proposal:
    """How many replicas a metric asks for; `name` is how events call it."""

    replicas: int
    name: str
    status: MetricStatus


class InvalidMetric(Exception):
    """A metric without a value: `reason` and `cause` for people, the message for the sum of all."""

    def __init__(self, reason: str, cause: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.cause = reason, cause


class Metrics:
    """Those of one autoscaler, at one moment.

    `selector` chooses its pods, `status_replicas` is how many there are.
    """

    def __init__(
        self, client: MetricsClient, namespace: str, selector: str, situation: Situation, status_replicas: int
    ) -> None:
        self._client, self._namespace, self._selector = client, namespace, selector
        self._situation, self._status_replicas = situation, status_replicas

    async def propose(self, spec: MetricSpec) -> Proposal:
        """Raises InvalidMetric."""
        if spec.resource is not None:
            use = spec.resource
            replicas, current, name = await self._use(
                use.name, use.target, "", "FailedGetResourceMetric", f"failed to get {use.name} resource metric value"
            )
            status = MetricStatus(type=spec.type, resource=ResourceMetricStatus(name=use.name, current=current))
            return Proposal(replicas, name, status)
        if spec.containerResource is not None:
            part = spec.containerResource
            what = f"failed to get {part.container} container metric value"
            replicas, current, name = await self._use(
                part.name, part.target, part.container, "FailedGetContainerResourceMetric", what
            )
            in_container = ContainerResourceMetricStatus(name=part.name, container=part.container, current=current)
            return Proposal(replicas, name, MetricStatus(type=spec.type, containerResource=in_container))
        try:
            if spec.pods is not None:
                reason, prefix = "FailedGetPodsMetric", "failed to get pods metric value: "
                return await self._pods(spec.pods)
            if spec.object is not None:
                reason, prefix = "FailedGetObjectMetric", "failed to get object metric value: "
                return await self._object(spec.object)
            if spec.external is not None:
                metric = spec.external.metric.name
                reason, prefix = "FailedGetExternalMetric", f"failed to get {metric} external metric value: "
                return await self._external(spec.external)
            reason, prefix = "InvalidMetricSourceType", ""
            raise MetricsError(f'unknown metric source type "{spec.type}"')
        except _Wrapped as error:
            raise InvalidMetric(reason, str(error.cause), f"{prefix}{error}") from error
        except MetricsError as error:
            raise InvalidMetric(reason, str(error), f"{prefix}{error}") from error

    async def _use(
        self, resource: str, target: MetricTarget, container: str, reason: str, prefix: str
    ) -> tuple[int, MetricValueStatus, str]:
        """The use of a resource by the pods, or by one container of each."""
        situation, percent = self._situation, target.averageUtilization
        try:
            if target.averageValue is None and percent is None:
                raise InvalidMetric(reason, _NEITHER_USE, f"{prefix}: {_NEITHER_USE}")
            try:
                metrics = await self._client.resource(resource, self._namespace, self._selector, container)
            except MetricsError as error:
                raise MetricsError(f"unable to get metrics for resource {resource}: {error}") from error
            if target.averageValue is not None:
                replicas, usage = calculate.by_usage(situation, metrics, milli(target.averageValue), resource)
                return replicas, MetricValueStatus(averageValue=_quantity(usage)), f"{resource} resource"
            assert percent is not None
            replicas, utilization, usage = calculate.by_utilization(situation, metrics, resource, percent, container)
        except MetricsError as error:
            what = "utilization" if target.averageValue is None else "usage"
            cause = f"failed to get {resource} {what}: {error}"
            raise InvalidMetric(reason, cause, f"{prefix}: {cause}") from error
        part = "container " if container else ""
        current = MetricValueStatus(averageUtilization=utilization, averageValue=_quantity(usage))
        return replicas, current, f"{resource} {part}resource utilization (percentage of request)"

    async def _pods(self, source: PodsMetricSource) -> Proposal:
        metric = source.metric
        selector = _text(metric.selector)
        try:
            metrics = await self._client.of_pods(metric.name, self._namespace, self._selector, selector)
        except MetricsError as error:
            raise MetricsError(f"unable to get metric {metric.name}: {error}") from error
        replicas, usage = calculate.by_usage(self._situation, metrics, milli(source.target.averageValue or "0"))
        status = PodsMetricStatus(metric=metric, current=MetricValueStatus(averageValue=_quantity(usage)))
        return Proposal(replicas, f"pods metric {metric.name}", MetricStatus(type="Pods", pods=status))

    async def _object(self, source: ObjectMetricSource) -> Proposal:
        metric, about, target = source.metric, source.describedObject, source.target

        async def usage() -> int:
            try:
                return await self._client.of_object(metric.name, self._namespace, about, _text(metric.selector))
            except MetricsError as error:
                where = f"{about.kind} {self._namespace}/{about.name}"
                raise MetricsError(f"unable to get metric {metric.name}: {where}/{error}") from error

        if target.type == "Value" and target.value is not None:
            used = await usage()
            replicas = calculate.by_value(self._situation, used, milli(target.value))
            status = ObjectMetricStatus(
                metric=metric, current=MetricValueStatus(value=_quantity(used)), describedObject=about
            )
            name = f"{about.kind} metric {metric.name}"
        elif target.type == "AverageValue" and target.averageValue is not None:
            with _wrapping(f"failed to get {metric.name} object metric"):
                used = await usage()
            replicas, used = self._average(used, target.averageValue)
            # Kubernetes leaves the object out here, and calls the metric external.
            status = ObjectMetricStatus(metric=metric, current=MetricValueStatus(averageValue=_quantity(used)))
            name = f"external metric {metric.name}({shown(metric.selector)})"
        else:
            raise MetricsError(_NEITHER.format("object"))
        return Proposal(replicas, name, MetricStatus(type="Object", object=status))

    async def _external(self, source: ExternalMetricSource) -> Proposal:
        metric, target = source.metric, source.target

        async def usage() -> int:
            try:
                return sum(await self._client.external(metric.name, self._namespace, _text(metric.selector)))
            except MetricsError as error:
                what = f"{self._namespace}/{metric.name}/{shown(metric.selector)}"
                raise MetricsError(f"unable to get external metric {what}: {error}") from error

        if target.averageValue is not None:
            with _wrapping(f"failed to get {metric.name} external metric"):
                used = await usage()
            replicas, used = self._average(used, target.averageValue)
            current = MetricValueStatus(averageValue=_quantity(used))
        elif target.value is not None:
            with _wrapping(f"failed to get external metric {metric.name}"):
                used = min(await usage(), calculate.MOST_USAGE)
                replicas = calculate.by_value(self._situation, used, milli(target.value))
            current = MetricValueStatus(value=_quantity(used))
        else:
            raise MetricsError(_NEITHER.format("external"))
        name = f"external metric {metric.name}({shown(metric.selector)})"
        status = ExternalMetricStatus(metric=metric, current=current)
        return Proposal(replicas, name, MetricStatus(type="External", external=status))

    def _average(self, usage: int, target: str) -> tuple[int, int]:
        return calculate.by_average(self._situation.tolerances, self._status_replicas, usage, milli(target))


class _Wrapped(MetricsError):
    """What failed is said twice: the cause by itself, and with more before it."""

    def __init__(self, prefix: str, cause: MetricsError) -> None:
        super().__init__(f"{prefix}: {cause}")
        self.cause = cause


@contextmanager
def _wrapping(prefix: str) -> Iterator[None]:
    try:
        yield
    except MetricsError as error:
        raise _Wrapped(prefix, error) from error


def _text(selector: LabelSelector | None) -> str:
    """A metric's selector as a query has it: none asks for all."""
    return "" if selector is None else ",".join(map(str, LabelMatcher.from_model(selector).requirements))


def _quantity(thousandths: int) -> str:
    return format_as(Decimal(thousandths).scaleb(-3))
