"""How fast an autoscaler may follow what its metrics ask for.

https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#configurable-scaling-behavior
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil

from api.autoscaling_v2 import HorizontalPodAutoscalerBehavior, HPAScalingRules

_WITHIN = ("DesiredWithinRange", "the desired count is within the acceptable range")
_TOO_FAST = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
_TOO_SLOW = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
_TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_UP_STABILIZED = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
_DOWN_STABILIZED = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
_READY = ("ReadyForNewScale", "recommended size matches current size")

Reason = tuple[str, str]
"""A condition's reason and message."""
Timed = list[tuple[datetime, int]]


@dataclass
class History:
    """What an autoscaler has wanted and done lately.  It lives in memory, as Kubernetes' does."""

    recommendations: Timed = field(default_factory=list)
    ups: Timed = field(default_factory=list)
    downs: Timed = field(default_factory=list)

    def note_scaling(
        self, behavior: HorizontalPodAutoscalerBehavior | None, before: int, after: int, at: datetime
    ) -> None:
        """Remember a change for as long as a policy asks for it."""
        if behavior is None:
            return
        periods = [p.periodSeconds for rules in (behavior.scaleUp, behavior.scaleDown) if rules for p in rules.policies]
        kept = at - timedelta(seconds=max(periods, default=0))
        self.ups = [each for each in self.ups if each[0] >= kept]
        self.downs = [each for each in self.downs if each[0] >= kept]
        (self.ups if after > before else self.downs).append((at, abs(after - before)))


@dataclass(frozen=True)
class Verdict:
    """How many replicas there shall be, and the conditions AbleToScale and ScalingLimited that say why."""

    replicas: int
    able: Reason
    limited: bool
    limit: Reason


@dataclass(frozen=True)
class Bounds:
    current: int
    fewest: int
    most: int


def tame(
    history: History,
    behavior: HorizontalPodAutoscalerBehavior | None,
    bounds: Bounds,
    desired: int,
    now: datetime,
    downscale_window: timedelta,
) -> Verdict:
    """What becomes of a recommendation, which is noted.  `downscale_window` is for those without a window of theirs."""
    up, down = (None, None) if behavior is None else (behavior.scaleUp, behavior.scaleDown)
    if up is None or down is None:
        stable = max([desired, *(n for at, n in history.recommendations if at >= now - downscale_window)])
        _note(history, desired, now, downscale_window)
        able = _READY if stable == desired else _DOWN_STABILIZED
        replicas, limit = _within_defaults(bounds, stable)
    else:
        stable, able = _stabilized(history, up, down, bounds, desired, now, downscale_window)
        replicas, limit = _within_policies(history, up, down, bounds, stable, now)
    return Verdict(replicas, able, replicas != stable, limit)


def _note(history: History, desired: int, now: datetime, window: timedelta) -> None:
    recent = [each for each in history.recommendations if each[0] >= now - window]
    history.recommendations = [*recent, (now, desired)]


def _stabilized(
    history: History,
    up: HPAScalingRules,
    down: HPAScalingRules,
    bounds: Bounds,
    desired: int,
    now: datetime,
    downscale_window: timedelta,
) -> tuple[int, Reason]:
    """The recommendation nearest to the present that every one within the windows allows."""
    up_window = timedelta(seconds=up.stabilizationWindowSeconds or 0)
    seconds = down.stabilizationWindowSeconds
    down_window = downscale_window if seconds is None else timedelta(seconds=seconds)
    lowest = min([desired, *(n for at, n in history.recommendations if at > now - up_window)])
    highest = max([desired, *(n for at, n in history.recommendations if at > now - down_window)])
    stable = min(max(bounds.current, lowest), highest)
    _note(history, desired, now, max(up_window, down_window))
    if stable == desired:
        return stable, _READY
    return stable, _UP_STABILIZED if desired >= bounds.current else _DOWN_STABILIZED


def _within_defaults(bounds: Bounds, desired: int) -> tuple[int, Reason]:
    """Without policies replicas at most double at a time, or become four."""
    limit = max(2 * bounds.current, 4)
    most, reason = (limit, _TOO_FAST) if bounds.most > limit else (bounds.most, _TOO_MANY)
    if desired < bounds.fewest:
        return bounds.fewest, _TOO_FEW
    return (most, reason) if desired > most else (desired, _WITHIN)


def _within_policies(
    history: History, up: HPAScalingRules, down: HPAScalingRules, bounds: Bounds, desired: int, now: datetime
) -> tuple[int, Reason]:
    if desired > bounds.current:
        limit = max(_limit(history, up, bounds.current, now, 1), bounds.current)
        most, reason = (limit, _TOO_FAST) if bounds.most > limit else (bounds.most, _TOO_MANY)
        if desired > most:
            return most, reason
    elif desired < bounds.current:
        limit = min(_limit(history, down, bounds.current, now, -1), bounds.current)
        fewest, reason = (limit, _TOO_SLOW) if bounds.fewest < limit else (bounds.fewest, _TOO_FEW)
        if desired < fewest:
            return fewest, reason
    return desired, _WITHIN


def _limit(history: History, rules: HPAScalingRules, current: int, now: datetime, direction: int) -> int:
    """How far policies let replicas go, up (`direction` 1) or down (-1)."""
    if rules.selectPolicy == "Disabled":
        return current
    proposals = []
    for policy in rules.policies:
        since = now - timedelta(seconds=policy.periodSeconds)
        start = current - _sum(history.ups, since) + _sum(history.downs, since)
        if policy.type == "Pods":
            proposals.append(start + direction * policy.value)
        elif direction > 0:  # rounded up, or a small share would never add anything
            proposals.append(ceil(start * (1 + policy.value / 100)))
        else:
            proposals.append(int(start * (1 - policy.value / 100)))
    farthest = max if (direction > 0) == (rules.selectPolicy != "Min") else min
    return farthest(proposals, default=current)


def _sum(changes: Iterable[tuple[datetime, int]], since: datetime) -> int:
    return sum(number for at, number in changes if at > since)
