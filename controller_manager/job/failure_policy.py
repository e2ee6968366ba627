"""What follows when a pod fails in a certain way (spec.podFailurePolicy).

https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from api.batch_v1 import PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule
from api.core_v1 import ContainerStatus, Pod


@dataclass(frozen=True)
class Verdict:
    """`action` of the rule that fits ("" when none does); `message` is for the job's condition if that fails."""

    action: str = ""
    message: str = ""

    @property
    def counts(self) -> bool:
        """Whether the failure counts against the limits."""
        return self.action != "Ignore"


def judge(policy: PodFailurePolicy | None, pod: Pod) -> Verdict:
    """The first rule that fits a failed pod holds."""
    for number, rule in enumerate(policy.rules if policy is not None else ()):
        reason = _fits(rule, pod)
        if reason:
            return Verdict(rule.action, f"{reason} matching {rule.action} rule at index {number}")
    return Verdict()


def _fits(rule: PodFailurePolicyRule, pod: Pod) -> str:
    """What of the pod the rule is about; "" when the rule is not about it."""
    where = f"{pod.metadata.namespace}/{pod.metadata.name}"
    if rule.onExitCodes is not None:
        for name, code in _exit_codes((*pod.status.containerStatuses, *pod.status.initContainerStatuses)):
            if _is_meant(rule.onExitCodes, name, code):
                return f"Container {name} for pod {where} failed with exit code {code}"
        return ""
    for condition in pod.status.conditions:
        if any((condition.type, condition.status) == (each.type, each.status) for each in rule.onPodConditions):
            return f"Pod {where} has condition {condition.type}"
    return ""


def _exit_codes(statuses: Iterable[ContainerStatus]) -> Iterable[tuple[str, int]]:
    """Of the containers that ended, and not well."""
    for status in statuses:
        ended = status.state.terminated if status.state is not None else None
        if ended is not None and ended.exitCode != 0:
            yield status.name, ended.exitCode


def _is_meant(requirement: PodFailurePolicyOnExitCodesRequirement, name: str, code: int) -> bool:
    if requirement.containerName not in (None, name):
        return False
    return (code in requirement.values) == (requirement.operator == "In")
