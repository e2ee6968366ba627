"""PodSecurity: pods must meet the standard that their namespace asks for.

https://kubernetes.io/docs/concepts/security/pod-security-admission/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

from api.core_v1 import Namespace, Pod
from api.errors import invalid
from api.quoting import quoted
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest
from apiserver.registry.pod_annotations import SECCOMP_CONTAINER, SECCOMP_POD

if TYPE_CHECKING:
    from apiserver.admission.pod_security.configuration import PodSecurityConfiguration
    from apiserver.admission.pod_security.policy import LevelVersion, Policy

_PREFIX = "pod-security.kubernetes.io/"
_TEMPLATES: Mapping[str, Callable[[Any], Any]] = {
    "replicationcontrollers": lambda obj: obj.spec.template,
    "podtemplates": lambda obj: obj.template,
    "replicasets.apps": lambda obj: obj.spec.template,
    "deployments.apps": lambda obj: obj.spec.template,
    "statefulsets.apps": lambda obj: obj.spec.template,
    "daemonsets.apps": lambda obj: obj.spec.template,
    "jobs.batch": lambda obj: obj.spec.template,
    "cronjobs.batch": lambda obj: obj.spec.jobTemplate.spec.template,
}
_JUDGED_PARTS = ("", "ephemeralcontainers", "resize")
_MOST_PODS = 3000
"""Pods of a namespace that are looked at when its level is raised."""


class PodSecurity(AdmissionPlugin):
    """Costs a look at the namespace's labels where nobody asks for a standard."""

    name = "PodSecurity"

    def __init__(self, configuration: PodSecurityConfiguration | None = None) -> None:
        """`configuration`: defaults for all namespaces, and who is exempt; None for neither."""
        self._configuration = configuration

    @classmethod
    def configured(cls, configuration: Mapping[str, Any] | None) -> Self:
        if configuration is None:
            return cls()
        from apiserver.admission.pod_security.configuration import parse

        return cls(parse(configuration))

    def validate(self, request: AdmissionRequest) -> None:
        if request.operation not in ("CREATE", "UPDATE"):
            return
        if request.resource.model is Pod:
            if request.subresource in _JUDGED_PARTS:
                self._validate_pod(request)
        elif request.resource.model is Namespace:
            if not request.subresource:
                self._validate_namespace(request)
        elif request.resource.group_resource in _TEMPLATES and not request.subresource:
            policy = self._policy_at(request)
            template = _TEMPLATES[request.resource.group_resource](request.object) if policy is not None else None
            if policy is not None and template is not None:
                self._judge(request, policy, template)

    def _validate_pod(self, request: AdmissionRequest) -> None:
        policy = self._policy_at(request)
        if policy is None:
            return
        if request.operation == "UPDATE" and not _is_significant(request.object, request.old_object):
            return
        self._judge(request, policy, request.object, enforce=True)

    def _policy_at(self, request: AdmissionRequest) -> Policy | None:
        """The policy of the request's namespace; None where there is nothing to judge by it."""
        namespace = request.context.peek(Namespace, "", request.namespace)
        labels = {} if namespace is None else namespace.metadata.labels
        if self._configuration is None and not any(label.startswith(_PREFIX) for label in labels):
            return None
        for what, name in (("namespace", request.namespace), ("user", request.user)):
            if self._is_exempt(request, what, name):
                return None
        from apiserver.admission.pod_security.policy import policy_of

        policy, errors = policy_of(labels, self._defaults)
        if errors:
            text = ", ".join(map(str, errors))
            shown = f"[{text}]" if len(errors) > 1 else text
            request.audit_annotations[_PREFIX + "error"] = f"Failed to parse policy: {shown}"
        elif policy.is_privileged:
            return None
        return policy

    @property
    def _defaults(self) -> Policy:
        from apiserver.admission.pod_security.policy import Policy

        return Policy() if self._configuration is None else self._configuration.defaults

    def _is_exempt(self, request: AdmissionRequest, what: str, name: str | None) -> bool:
        if self._configuration is None or not name or name not in self._configuration.exempt(what):
            return False
        request.audit_annotations[_PREFIX + "exempt"] = what
        return True

    def _judge(self, request: AdmissionRequest, policy: Policy, pod: Any, *, enforce: bool = False) -> None:
        """`pod`: a pod or a template, of which there will be pods to enforce a policy on."""
        if self._is_exempt(request, "runtimeClass", pod.spec.runtimeClassName):
            return
        from apiserver.admission.pod_security.standards import violations

        def problem(asked: LevelVersion) -> str:
            found = violations(asked, pod.metadata, pod.spec)
            return f'violate PodSecurity "{asked}": {", ".join(map(str, found))}' if found else ""

        annotations = request.audit_annotations
        refused = ""
        if enforce:
            annotations[_PREFIX + "enforce-policy"] = str(policy.enforce)
            refused = problem(policy.enforce)
        if noted := problem(policy.audit):
            annotations[_PREFIX + "audit-violations"] = f"would {noted}"
        if refused:
            raise request.forbidden(refused.replace("violate", "violates", 1))
        if warned := problem(policy.warn):
            request.warnings.append(f"would {warned}")

    # --- namespaces

    def _validate_namespace(self, request: AdmissionRequest) -> None:
        labels = request.object.metadata.labels
        before = {} if request.old_object is None else request.old_object.metadata.labels
        if not any(label.startswith(_PREFIX) for label in (*labels, *before)):
            return
        from apiserver.admission.pod_security.policy import policy_of

        policy, errors = policy_of(labels, self._defaults)
        former, former_errors = policy_of(before, self._defaults)
        if errors and (request.operation == "CREATE" or errors != former_errors):
            raise invalid("", "Namespace", request.name, errors)
        if request.operation == "CREATE":
            if self._is_exempt(request, "namespace", request.name):
                self._warn_of_exemption(request, policy)
            return
        new, old = policy.enforce, former.enforce
        relaxed = new.minor == old.minor and new.strictness <= old.strictness
        if new == old or new.level == "privileged" or relaxed:
            return
        if self._is_exempt(request, "namespace", request.name):
            self._warn_of_exemption(request, policy)
        else:
            self._warn_of_pods(request, new)

    def _warn_of_exemption(self, request: AdmissionRequest, policy: Policy) -> None:
        if policy.is_privileged or policy == self._defaults:
            return
        labels = request.object.metadata.labels
        ignored = ", ".join(
            f"{mode}={asked}"
            for mode, asked in policy.modes()
            if asked.level != "privileged" and (_PREFIX + mode in labels or f"{_PREFIX}{mode}-version" in labels)
        )
        request.warnings.append(
            f"namespace {quoted(request.name)} is exempt from Pod Security, and the policy ({ignored}) will be ignored"
        )

    def _warn_of_pods(self, request: AdmissionRequest, asked: LevelVersion) -> None:
        """Pods that run already stay; but whoever raises the level hears of those that would be refused."""
        from apiserver.admission.pod_security.standards import violations

        pods = request.context.list(Pod, request.name)
        by_reason: dict[str, list[str]] = {}
        for pod in pods[:_MOST_PODS]:
            if self._is_exempt(request, "runtimeClass", pod.spec.runtimeClassName):
                continue
            if found := violations(asked, pod.metadata, pod.spec):
                by_reason.setdefault(", ".join(each.reason for each in found), []).append(pod.metadata.name)
        if len(pods) > _MOST_PODS:
            request.warnings.append(
                f"new PodSecurity enforce level only checked against the first {_MOST_PODS} of {len(pods)} existing "
                "pods"
            )
        if by_reason:
            request.warnings.append(
                f'existing pods in namespace {quoted(request.name)} violate the new PodSecurity enforce level "{asked}"'
            )
        request.warnings += sorted(f"{_first_of(names)}: {reason}" for reason, names in by_reason.items())


def _first_of(names: list[str]) -> str:
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{min(names)} (and {others} other pod{'s' if others > 1 else ''})"


def _is_significant(new: Pod, old: Pod) -> bool:
    """Whether a pod may have come to violate a standard: its images, ephemeral containers or profiles are others."""

    def facts(pod: Pod) -> Any:
        annotations = pod.metadata.annotations
        spec = pod.spec
        containers = [*spec.initContainers, None, *spec.containers]
        return [each and (each.image, annotations.get(SECCOMP_CONTAINER + each.name)) for each in containers], (
            annotations.get(SECCOMP_POD)
        )

    def ephemeral(pod: Pod) -> set[tuple[str, str, str | None]]:
        annotations = pod.metadata.annotations
        return {
            (each.name, each.image, annotations.get(SECCOMP_CONTAINER + each.name))
            for each in pod.spec.ephemeralContainers
        }

    return facts(new) != facts(old) or not ephemeral(new) <= ephemeral(old)
