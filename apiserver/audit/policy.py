"""The audit policy: how much is recorded of a request.

https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/#audit-policy
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.model import JSONObject, Model
from apiserver.configuration_file import ConfigurationError, read_configuration
from apiserver.request import RequestInfo, User

NONE, METADATA, REQUEST, REQUEST_RESPONSE = LEVELS = ("None", "Metadata", "Request", "RequestResponse")
RECEIVED, STARTED, COMPLETE, PANIC = STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
_ALL = "*"


class GroupResources(Model):
    """group: An API group, "" for the core one.
    resources: pods, pods/log, pods/*, */scale, *; all when empty.
    resourceNames: Names of objects; all when empty.
    """

    group: str = ""
    resources: list[str] = []
    resourceNames: list[str] = []


class PolicyRule(Model):
    """A request is meant when everything fits that is given.

    level: How much is recorded.
    users, userGroups, verbs: Whose requests, and which.
    resources, namespaces: Of those for resources; "" is the namespace of what is in none.
    nonResourceURLs: Paths; * at the end for all that begin like this.
    omitStages: Stages of which nothing is recorded.
    omitManagedFields: Whether objects are recorded without managedFields; else what the policy says.
    """

    level: str = ""
    users: list[str] = []
    userGroups: list[str] = []
    verbs: list[str] = []
    resources: list[GroupResources] = []
    namespaces: list[str] = []
    nonResourceURLs: list[str] = []
    omitStages: list[str] = []
    omitManagedFields: bool | None = None

    def fits(self, user: User, info: RequestInfo) -> bool:
        if self.users and user.name not in self.users:
            return False
        if self.userGroups and not any(group in self.userGroups for group in user.groups):
            return False
        if self.verbs and info.verb not in self.verbs:
            return False
        if self.namespaces or self.resources:
            return info.is_resource and self._fits_resource(info)
        if self.nonResourceURLs:
            return not info.is_resource and any(_path_fits(info.path, path) for path in self.nonResourceURLs)
        return True

    def _fits_resource(self, info: RequestInfo) -> bool:
        if self.namespaces and info.namespace not in self.namespaces:
            return False
        return not self.resources or any(_resource_fits(each, info) for each in self.resources)


def _path_fits(path: str, rule: str) -> bool:
    return rule in (_ALL, path) or (rule.endswith(_ALL) and path.startswith(rule.rstrip(_ALL)))


def _resource_fits(rule: GroupResources, info: RequestInfo) -> bool:
    if rule.group != info.group:
        return False
    if not rule.resources:
        return True
    if rule.resourceNames and info.object_name not in rule.resourceNames:
        return False
    whole = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    fitting = {_ALL, whole, f"{info.resource}/{_ALL}"}
    if info.subresource:
        fitting.add(f"{_ALL}/{info.subresource}")
    return not fitting.isdisjoint(rule.resources)


class Policy(Model):
    """rules: The first that fits counts; what none means is not recorded.
    omitStages: Stages of which nothing is recorded, in addition to those of the rule.
    omitManagedFields: Whether objects are recorded without managedFields.
    """

    kind: str = ""
    apiVersion: str = ""
    metadata: JSONObject | None = None
    rules: list[PolicyRule] = []
    omitStages: list[str] = []
    omitManagedFields: bool = False

    def decide(self, user: User, info: RequestInfo) -> Decision:
        for rule in self.rules:
            if rule.fits(user, info):
                omit = rule.omitManagedFields
                stages = frozenset((*self.omitStages, *rule.omitStages))
                return Decision(rule.level, stages, self.omitManagedFields if omit is None else omit)
        return Decision(NONE)


@dataclass(frozen=True, slots=True)
class Decision:
    """How much is recorded of one request."""

    level: str
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False

    def at_least(self, level: str) -> bool:
        return LEVELS.index(self.level) >= LEVELS.index(level)


def read_policy(path: Path) -> Policy:
    """Raises ConfigurationError."""
    policy = read_configuration(path, Policy, ("audit.k8s.io/v1",))
    for problem in _problems(policy):
        raise ConfigurationError(f"{path}: {problem}")
    return policy


def _problems(policy: Policy) -> Iterator[str]:
    if not policy.rules:
        yield "rules: at least one is required"
    yield from _stages("omitStages", policy.omitStages)
    for index, rule in enumerate(policy.rules):
        place = f"rules[{index}]"
        if rule.level not in LEVELS:
            yield _invalid(f"{place}.level", rule.level, f"the levels are {', '.join(LEVELS)}")
        yield from _stages(f"{place}.omitStages", rule.omitStages)
        for url in rule.nonResourceURLs:
            if url != _ALL and not url.startswith("/"):
                yield _invalid(f"{place}.nonResourceURLs", url, "paths begin with /")
            if _ALL in url[:-1]:
                yield _invalid(f"{place}.nonResourceURLs", url, "* may only be the last character")
        if rule.nonResourceURLs and (rule.resources or rule.namespaces):
            yield f"{place}.nonResourceURLs: a rule is either for resources or for paths"
        for each in rule.resources:
            if "/" in each.group:
                yield _invalid(f"{place}.resources.group", each.group, "write the group without its version")
            if each.resourceNames and not each.resources:
                yield f"{place}.resources.resourceNames: names need at least one resource"


def _stages(place: str, stages: list[str]) -> Iterator[str]:
    for stage in stages:
        if stage not in STAGES:
            yield _invalid(place, stage, f"the stages are {', '.join(STAGES)}")


def _invalid(place: str, value: Any, why: str) -> str:
    return f"{place}: {value!r} is invalid: {why}"
