"""The rules of what a job is to do, the same in jobs and in the templates of CronJobs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from api.batch_v1 import (
    JobSpec,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
    SuccessPolicy,
    SuccessPolicyRule,
)
from api.errors import FieldError, duplicate, invalid_value, not_supported, required, too_long, too_many, without_value
from apiserver.registry.domain_prefixed_path import validate_domain_prefixed_path
from apiserver.registry.internal_form import internal
from apiserver.registry.names import qualified
from apiserver.registry.pod_warnings import template_warnings
from apiserver.registry.workloads import nonnegative, validate_counts, validate_pod_template

INDEXED = "Indexed"
NON_INDEXED = "NonIndexed"

_FAILED = "Failed"
_REPLACEMENT_POLICIES = (_FAILED, "TerminatingOrFailed")
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")
_RESTART_POLICIES = ("OnFailure", "Never")

_MOST_PARALLEL = 100_000
_MOST_FAILED_INDEXES = 100_000
_MANY_COMPLETIONS = 100_000
_MOST_FOR_MANY_COMPLETIONS = 10_000
_MOST_RULES = 20
_MOST_EXIT_CODES = 255
_MOST_CONDITIONS = 20
_LONGEST_MANAGED_BY = 63
_LONGEST_INDEXES = 64 * 1024

_INTEGER = re.compile(r"[+-]?[0-9]+").fullmatch


def default_failure_policy(spec: JobSpec) -> None:
    """A condition that a pod failure policy names without a status is meant to be true."""
    for rule in spec.podFailurePolicy.rules if spec.podFailurePolicy else ():
        for pattern in rule.onPodConditions:
            pattern.status = pattern.status or "True"


def job_warnings(spec: JobSpec, path: str) -> Iterator[str]:
    """What a user should know about a spec that is valid all the same."""
    completions, parallelism = spec.completions or 0, spec.parallelism or 0
    is_indexed = spec.completionMode == INDEXED
    if is_indexed and completions > _MANY_COMPLETIONS and parallelism > _MOST_FOR_MANY_COMPLETIONS:
        yield (
            f"{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than "
            "10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        )
    yield from template_warnings(spec.template, f"{path}.template")


def validate_job_spec(spec: JobSpec, path: str) -> Iterator[FieldError]:
    """Every broken rule, the selector's excepted."""
    counts = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
    yield from validate_counts(spec, (*counts, "backoffLimitPerIndex", "maxFailedIndexes"), path)
    if spec.maxFailedIndexes is not None and spec.backoffLimitPerIndex is None:
        yield required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if spec.managedBy is not None:
        yield from validate_domain_prefixed_path(spec.managedBy, f"{path}.managedBy")
        if len(spec.managedBy.encode()) > _LONGEST_MANAGED_BY:
            yield too_long(f"{path}.managedBy", _LONGEST_MANAGED_BY)
    if spec.completionMode not in (None, NON_INDEXED, INDEXED):
        yield not_supported(f"{path}.completionMode", spec.completionMode, (NON_INDEXED, INDEXED))
    if spec.completionMode == INDEXED:
        yield from _validate_indexed(spec, path)
    elif spec.completionMode in (None, NON_INDEXED):
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if getattr(spec, name) is not None:
                yield invalid_value(f"{path}.{name}", getattr(spec, name), "requires indexed completion mode")
    if spec.podFailurePolicy is not None:
        yield from _validate_failure_policy(spec, spec.podFailurePolicy.rules, f"{path}.podFailurePolicy.rules")
    if spec.successPolicy is not None:
        if spec.completionMode == INDEXED:
            yield from _validate_success_policy(spec, spec.successPolicy, f"{path}.successPolicy.rules")
        else:
            detail = "requires indexed completion mode"
            yield invalid_value(f"{path}.successPolicy", internal(spec.successPolicy), detail)
    replacement = spec.podReplacementPolicy
    choices = _REPLACEMENT_POLICIES if spec.podFailurePolicy is None else (_FAILED,)
    if replacement is not None and replacement not in choices:
        yield not_supported(f"{path}.podReplacementPolicy", replacement, choices)
    yield from validate_pod_template(spec.template, f"{path}.template")
    yield from _validate_restart_policy(spec, f"{path}.template.spec.restartPolicy")


def _validate_indexed(spec: JobSpec, path: str) -> Iterator[FieldError]:
    parallelism, most_failed = spec.parallelism, spec.maxFailedIndexes
    if spec.completions is None:
        yield required(f"{path}.completions", f"when completion mode is {INDEXED}")
    if parallelism is not None and parallelism > _MOST_PARALLEL:
        detail = f"must be less than or equal to {_MOST_PARALLEL} when completion mode is {INDEXED}"
        yield invalid_value(f"{path}.parallelism", parallelism, detail)
    if spec.completions is not None and most_failed is not None and most_failed > spec.completions:
        yield invalid_value(f"{path}.maxFailedIndexes", most_failed, "must be less than or equal to completions")
    if most_failed is not None and most_failed > _MOST_FAILED_INDEXES:
        detail = f"must be less than or equal to {_MOST_FAILED_INDEXES}"
        yield invalid_value(f"{path}.maxFailedIndexes", most_failed, detail)
    if spec.completions is None or spec.completions <= _MANY_COMPLETIONS or spec.backoffLimitPerIndex is None:
        return
    if most_failed is None:
        detail = f"must be specified when completions is above {_MANY_COMPLETIONS}"
        yield required(f"{path}.maxFailedIndexes", detail)
    for name in ("parallelism", "maxFailedIndexes"):
        value = getattr(spec, name)
        if value is not None and value > _MOST_FOR_MANY_COMPLETIONS:
            detail = (
                f"must be less than or equal to {_MOST_FOR_MANY_COMPLETIONS} when completions are above "
                f"{_MANY_COMPLETIONS} and used with backoff limit per index"
            )
            yield invalid_value(f"{path}.{name}", value, detail)


def _validate_restart_policy(spec: JobSpec, path: str) -> Iterator[FieldError]:
    policy = spec.template.spec.restartPolicy
    if policy in ("", "Always"):  # what nobody set has been defaulted
        yield required(path, "valid values: " + ", ".join(f'"{choice}"' for choice in _RESTART_POLICIES))
    elif policy not in _RESTART_POLICIES:
        yield not_supported(path, policy, _RESTART_POLICIES)
    elif spec.podFailurePolicy is not None and policy != "Never":
        yield invalid_value(path, policy, 'only "Never" is supported when podFailurePolicy is specified')


def _one_of(value: str, choices: Iterable[str], path: str) -> Iterator[FieldError]:
    """A choice that must be made."""
    if not value:
        yield required(path, "valid values: [" + " ".join(f'"{choice}"' for choice in choices) + "]")
    elif value not in choices:
        yield not_supported(path, value, choices)


# --- when pods fail ---------------------------------------------------------------------------------


def _validate_failure_policy(spec: JobSpec, rules: list[PodFailurePolicyRule], path: str) -> Iterator[FieldError]:
    if len(rules) > _MOST_RULES:
        yield too_many(path, len(rules), _MOST_RULES)
    pod = spec.template.spec
    containers = {container.name for container in (*pod.containers, *pod.initContainers)}
    for index, rule in enumerate(rules):
        where = f"{path}[{index}]"
        if rule.action == "FailIndex":
            if spec.backoffLimitPerIndex is None:
                detail = "requires the backoffLimitPerIndex to be set"
                yield invalid_value(f"{where}.action", rule.action, detail)
        else:
            yield from _one_of(rule.action, _ACTIONS, f"{where}.action")
        if rule.onExitCodes is not None:
            yield from _validate_exit_codes(rule.onExitCodes, f"{where}.onExitCodes", containers)
        yield from _validate_patterns(rule.onPodConditions, f"{where}.onPodConditions")
        if rule.onExitCodes is not None and rule.onPodConditions:
            yield without_value(where, "specifying both OnExitCodes and OnPodConditions is not supported")
        if rule.onExitCodes is None and not rule.onPodConditions:
            yield without_value(where, "specifying one of OnExitCodes and OnPodConditions is required")


def _validate_exit_codes(
    codes: PodFailurePolicyOnExitCodesRequirement, path: str, containers: set[str]
) -> Iterator[FieldError]:
    yield from _one_of(codes.operator, _OPERATORS, f"{path}.operator")
    if codes.containerName is not None and codes.containerName not in containers:
        detail = "must be one of the container or initContainer names in the pod template"
        yield invalid_value(f"{path}.containerName", codes.containerName, detail)
    values = list(codes.values)
    if not values:
        yield invalid_value(f"{path}.values", values, "at least one value is required")
    elif len(values) > _MOST_EXIT_CODES:
        yield too_many(f"{path}.values", len(values), _MOST_EXIT_CODES)
    for index, value in enumerate(values):
        if codes.operator == "In" and value == 0:
            yield invalid_value(f"{path}.values[{index}]", value, "must not be 0 for the In operator")
        if value in values[:index]:
            yield duplicate(f"{path}.values[{index}]", value)
    if values != sorted(values):
        yield invalid_value(f"{path}.values", values, "must be ordered")


def _validate_patterns(patterns: list[PodFailurePolicyOnPodConditionsPattern], path: str) -> Iterator[FieldError]:
    if len(patterns) > _MOST_CONDITIONS:
        yield too_many(path, len(patterns), _MOST_CONDITIONS)
    for index, pattern in enumerate(patterns):
        for complaint in qualified(pattern.type):
            yield invalid_value(f"{path}[{index}].type", pattern.type, complaint)
        yield from _one_of(pattern.status, _STATUSES, f"{path}[{index}].status")


# --- when a job succeeds early ----------------------------------------------------------------------


def _validate_success_policy(spec: JobSpec, policy: SuccessPolicy, path: str) -> Iterator[FieldError]:
    if not policy.rules:
        yield required(path, "at least one rules must be specified when the successPolicy is specified")
    if len(policy.rules) > _MOST_RULES:
        yield too_many(path, len(policy.rules), _MOST_RULES)
    for index, rule in enumerate(policy.rules):
        yield from _validate_success_rule(rule, spec.completions or 0, f"{path}[{index}]")


def _validate_success_rule(rule: SuccessPolicyRule, completions: int, path: str) -> Iterator[FieldError]:
    count, indexes, total = rule.succeededCount, rule.succeededIndexes, 0
    if count is None and indexes is None:
        yield required(path, "at least one of succeededCount or succeededIndexes must be specified")
    if indexes is not None:
        if len(indexes.encode()) > _LONGEST_INDEXES:
            yield too_long(f"{path}.succeededIndexes", _LONGEST_INDEXES)
        try:
            total = count_indexes(indexes, completions)
        except ValueError as error:
            detail = f"error parsing succeededIndexes: {error}"
            yield invalid_value(f"{path}.succeededIndexes", indexes, detail)
    if count is None:
        return
    yield from nonnegative(count, f"{path}.succeededCount")
    if count > completions:
        detail = f"must be less than or equal to {completions} (the number of specified completions)"
        yield invalid_value(f"{path}.succeededCount", count, detail)
    if indexes is not None and count > total:
        what = "the number of indexes in the specified succeededIndexes field"
        yield invalid_value(f"{path}.succeededCount", count, f"must be less than or equal to {total} ({what})")


# --- indexes as text: "1,3-5" -----------------------------------------------------------------------


def count_indexes(text: str, completions: int) -> int:
    """How many indexes a text names.  Raises ValueError for one that is malformed, or not in order."""
    total, last = 0, None
    for part in text.split(",") if text else ():
        first, end = index_interval(part, completions)
        if last is not None and last >= first:
            raise ValueError(f"non-increasing order, previous: {last}, current: {first}")
        total += end - first + 1
        last = end
    return total


def index_interval(text: str, completions: int) -> tuple[int, int]:
    """The first and last index of one part.  Raises ValueError."""
    bounds = text.split("-")
    if len(bounds) > 2:
        raise ValueError(
            f'the fragment "{text}" violates the requirement that an index interval can have at most two parts '
            "separated by '-'"
        )
    numbers = []
    for bound in bounds:
        if not _INTEGER(bound):
            raise ValueError(f'cannot convert string to integer for index: "{bound}"')
        if int(bound) >= completions:
            raise ValueError(f'too large index: "{bound}"')
        numbers.append(int(bound))
    if len(numbers) == 2 and numbers[0] >= numbers[1]:
        raise ValueError(f"non-increasing order, previous: {numbers[0]}, current: {numbers[1]}")
    return numbers[0], numbers[-1]
