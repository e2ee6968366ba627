"""Looks at every autoscaler's metrics in regular rounds, and scales what it is about."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from api.autoscaling_v1 import Scale
from api.autoscaling_v2 import (
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerCondition,
    HorizontalPodAutoscalerStatus,
    MetricStatus,
)
from api.core_v1 import Pod
from api.errors import StatusError
from api.quantity import parse
from api.scheme import GroupVersion, Resource
from api.selectors import LabelMatcher, SelectorError
from client.controller import Controller, Key, NotYet, Watches, nothing
from client.rest import Unreachable
from client.store import key_of
from controller_manager.horizontal_pod_autoscaler.behavior import Bounds, History, tame
from controller_manager.horizontal_pod_autoscaler.metrics import InvalidMetric, Metrics, Proposal
from controller_manager.horizontal_pod_autoscaler.metrics_client import MetricsClient
from controller_manager.horizontal_pod_autoscaler.replica_calculator import Readiness, Situation, Tolerances
from controller_manager.scale import NoScale, NoSuchKind, Scales
from controller_manager.status_writer import write_status
from controller_manager.written import Written

log = logging.getLogger(__name__)


class Unable(Exception):
    """Why an autoscaler does nothing this time.  Its conditions say it already."""


class HorizontalPodAutoscalerController(Controller):
    name = "horizontal-pod-autoscaler-controller"

    def __init__(
        self,
        *common: Any,
        sync_period: float = 15.0,
        downscale_stabilization: float = 300.0,
        tolerance: float = 0.1,
        readiness: Readiness | None = None,
    ) -> None:
        """Seconds: `sync_period` between looks at the metrics, `downscale_stabilization` that fewer replicas must have
        been enough.  `tolerance` is a fraction of the target."""
        self._period, self._tolerance = sync_period, tolerance
        self._downscale = timedelta(seconds=downscale_stabilization)
        self._readiness = readiness or Readiness()
        self._histories: dict[Key, History] = {}
        self._selectors: dict[Key, LabelMatcher] = {}
        self._written = Written()
        super().__init__(*common)

    def setup(self, watch: Watches) -> None:
        self.scales = Scales(self.client)
        self.metrics = MetricsClient(self.client, self.scales)
        self.autoscalers = watch(HorizontalPodAutoscaler, enqueue=self._changed)
        self.pods = watch(Pod, enqueue=nothing)

    def _changed(self, old: HorizontalPodAutoscaler | None, new: HorizontalPodAutoscaler | None) -> Iterable[Key]:
        if new is None or old is None or new.spec != old.spec:
            yield key_of(new or old)

    async def reconcile(self, key: Key) -> None:
        autoscaler = self.autoscalers.get(key)
        if autoscaler is None:
            self._histories.pop(key, None)
            self._selectors.pop(key, None)
            self._written.forget(key)
            return
        self.queue.add_after(key, self._period)
        if not self._written.is_shown(autoscaler):
            raise NotYet(f"the cache has not seen the last status of {key}")  # which says when it scaled last
        work = Round(self, autoscaler)
        try:
            await work.scale()
        except Unable as error:
            log.debug("%s: %s", key, error)
        self._written.note(await write_status(self.client, autoscaler, work.status))

    def history(self, key: Key, replicas: int) -> History:
        """What is remembered of an autoscaler; the first recommendation is what there is."""
        if key not in self._histories:
            self._histories[key] = History([(self.clock.now(), replicas)])
        return self._histories[key]

    def pods_of(self, autoscaler: HorizontalPodAutoscaler, text: str) -> list[Pod]:
        """The pods that a selector means.  Raises SelectorError; LookupError when other autoscalers mean them too."""
        key, selector = key_of(autoscaler), LabelMatcher.parse(text)
        self._selectors[key] = selector
        namespace = autoscaler.metadata.namespace
        pods = self.pods.in_namespace(namespace)
        mine = [pod for pod in pods if selector.matches(pod.metadata.labels)]
        rivals = sorted(
            other
            for other, theirs in self._selectors.items()
            if other.partition("/")[0] == namespace and any(theirs.matches(pod.metadata.labels) for pod in mine)
        )
        if len(rivals) > 1:
            listed = " ".join(f"{{{each.partition('/')[2]} {namespace}}}" for each in rivals)
            raise LookupError(f"pods by selector {text} are controlled by multiple HPAs: [{listed}]")
        return mine

    @property
    def downscale_window(self) -> timedelta:
        return self._downscale

    def situation(self, autoscaler: HorizontalPodAutoscaler, pods: list[Pod], replicas: int) -> Situation:
        tolerances = Tolerances(*(_tolerance(autoscaler, way, self._tolerance) for way in ("scaleDown", "scaleUp")))
        return Situation(pods, replicas, tolerances, self._readiness, self.clock.now())


class Round:
    """One look at one autoscaler.  `status` is what it is found to be."""

    def __init__(self, controller: HorizontalPodAutoscalerController, autoscaler: HorizontalPodAutoscaler) -> None:
        self._controller, self._autoscaler = controller, autoscaler
        self.status: HorizontalPodAutoscalerStatus = autoscaler.status.copy_deep()

    async def scale(self) -> None:
        """Raises Unable."""
        autoscaler, controller, now = self._autoscaler, self._controller, self._controller.clock.now()
        spec = autoscaler.spec
        resource, scale = await self._find_scale()
        current, fewest = scale.spec.replicas, 1 if spec.minReplicas is None else spec.minReplicas
        history = controller.history(key_of(autoscaler), current)
        desired, why, seen = current, "", None
        if current == 0 and fewest != 0:
            message = "scaling is disabled since the replica count of the target is zero"
            self._say("ScalingActive", "False", "ScalingDisabled", message)
        elif current > spec.maxReplicas:
            desired, why = spec.maxReplicas, "Current number of replicas above Spec.MaxReplicas"
        elif current < fewest:
            desired, why = fewest, "Current number of replicas below Spec.MinReplicas"
        else:
            best, seen = await self._measure(scale)
            if best.replicas != current:
                why = f"{best.name} above target" if best.replicas > current else "All metrics below target"
            bounds = Bounds(current, fewest, spec.maxReplicas)
            verdict = tame(history, spec.behavior, bounds, best.replicas, now, controller.downscale_window)
            self._say("AbleToScale", "True", *verdict.able)
            self._say("ScalingLimited", str(verdict.limited), *verdict.limit)
            desired = verdict.replicas
        if desired != current:
            await self._rescale(resource, scale, desired, why, seen)
            history.note_scaling(spec.behavior, current, desired, now)
            self.status.lastScaleTime = now.replace(microsecond=0)
        self._count(current, desired, seen)

    async def _find_scale(self) -> tuple[Resource, Scale]:
        target = self._autoscaler.spec.scaleTargetRef
        try:
            found = await self._controller.scales.get(
                target.apiVersion, target.kind, self._autoscaler.metadata.namespace, target.name
            )
        except NoSuchKind:
            group = GroupVersion.parse(target.apiVersion).group
            problem = f'no matches for kind "{target.kind}" in group "{group}"'
        except NoScale:
            problem = "the server could not find the requested resource"
        except (StatusError, Unreachable) as error:
            problem = str(error)
        else:
            message = "the HPA controller was able to get the target's current scale"
            self._say("AbleToScale", "True", "SucceededGetScale", message)
            return found
        self._warn("FailedGetScale", problem)
        message = f"the HPA controller was unable to get the target's current scale: {problem}"
        self._say("AbleToScale", "False", "FailedGetScale", message)
        raise Unable(problem)

    async def _measure(self, scale: Scale) -> tuple[Proposal, list[MetricStatus]]:
        """The metric that asks for most replicas.  One without a value keeps replicas, and does not keep others from
        adding some."""
        specs, current = self._autoscaler.spec.metrics, scale.spec.replicas
        pods = self._pods(scale)
        situation = self._controller.situation(self._autoscaler, pods, current)
        namespace, selector = self._autoscaler.metadata.namespace, scale.status.selector
        metrics = Metrics(self._controller.metrics, namespace, selector, situation, scale.status.replicas)
        proposals: list[Proposal] = []
        invalid: list[InvalidMetric] = []
        seen = []
        for spec in specs:
            try:
                proposals.append(await metrics.propose(spec))
                seen.append(proposals[-1].status)
            except InvalidMetric as error:
                self._warn(error.reason, error.cause)
                invalid.append(error)
                seen.append(MetricStatus(type=""))
        best = max(proposals, key=lambda each: each.replicas, default=None)
        if best is None or (invalid and best.replicas < current):
            first = invalid[0]
            message = f"the HPA was unable to compute the replica count: {first.cause}"
            self._say("ScalingActive", "False", first.reason, message)
            problem = f"invalid metrics ({len(invalid)} invalid out of {len(specs)}), first error is: {first}"
            raise self._without_metrics(current, problem, seen)
        message = f"the HPA was able to successfully calculate a replica count from {best.name}"
        self._say("ScalingActive", "True", "ValidMetricFound", message)
        return best, seen

    def _pods(self, scale: Scale) -> list[Pod]:
        text = scale.status.selector
        if not text:
            message = "the HPA target's scale is missing a selector"
            raise self._bad_selector(scale, "InvalidSelector", message, "SelectorRequired", "selector is required")
        try:
            return self._controller.pods_of(self._autoscaler, text)
        except SelectorError as error:
            message = f"couldn't convert selector into a corresponding internal selector object: {error}"
            raise self._bad_selector(scale, "InvalidSelector", message) from error
        except LookupError as error:
            raise self._bad_selector(scale, "AmbiguousSelector", str(error.args[0])) from error

    def _bad_selector(self, scale: Scale, reason: str, message: str, event: str = "", problem: str = "") -> Unable:
        self._warn(event or reason, problem or message)
        self._say("ScalingActive", "False", reason, message)
        return self._without_metrics(scale.spec.replicas, problem or message, None)

    def _without_metrics(self, current: int, problem: str, seen: list[MetricStatus] | None) -> Unable:
        self._warn("FailedComputeMetricsReplicas", problem)
        self._count(current, self.status.desiredReplicas, seen)
        return Unable(problem)

    async def _rescale(
        self, resource: Resource, scale: Scale, desired: int, why: str, seen: list[MetricStatus] | None
    ) -> None:
        try:
            await self._controller.scales.update(resource, scale, desired)
        except (StatusError, Unreachable) as error:
            self._warn("FailedRescale", f"New size: {desired}; reason: {why}; error: {error}")
            message = f"the HPA controller was unable to update the target scale: {error}"
            self._say("AbleToScale", "False", "FailedUpdateScale", message)
            self._count(scale.spec.replicas, self.status.desiredReplicas, seen)
            raise Unable(str(error)) from error
        message = f"the HPA controller was able to update the target scale to {desired}"
        self._say("AbleToScale", "True", "SucceededRescale", message)
        self._controller.events.event(
            self._autoscaler, "Normal", "SuccessfulRescale", f"New size: {desired}; reason: {why}"
        )

    def _count(self, current: int, desired: int, seen: list[MetricStatus] | None) -> None:
        self.status.currentReplicas, self.status.desiredReplicas = current, desired
        self.status.currentMetrics = seen or None

    def _warn(self, reason: str, message: str) -> None:
        self._controller.events.event(self._autoscaler, "Warning", reason, message)

    def _say(self, kind: str, status: str, reason: str, message: str) -> None:
        """Set a condition; those that were there first stay first."""
        conditions = self.status.conditions
        known = next((each for each in conditions if each.type == kind), None)
        if known is None:
            known = HorizontalPodAutoscalerCondition(type=kind, status="")
            conditions.append(known)
        if known.status != status:
            known.lastTransitionTime = self._controller.clock.now().replace(microsecond=0)
        known.status, known.reason, known.message = status, reason, message


def _tolerance(autoscaler: HorizontalPodAutoscaler, way: str, default: float) -> float:
    rules = getattr(autoscaler.spec.behavior, way, None)
    return default if rules is None or rules.tolerance is None else float(parse(rules.tolerance))
