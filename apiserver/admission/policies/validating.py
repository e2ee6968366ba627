"""Policies that may refuse writes.

https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import orjson

from api.admissionregistration_v1 import (
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicyBindingSpec,
)
from api.errors import Forbidden, Invalid, RequestEntityTooLarge, StatusError, Unauthorized
from api.meta_v1 import StatusCause
from apiserver.admission.attributes import Attributes
from apiserver.admission.evaluation import Patience, evaluate
from apiserver.admission.match_conditions import variables_of
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.policies.bound import Binding, BoundPolicies
from apiserver.admission.policies.compiled import ValidatingPolicy
from apiserver.admission.policies.invocations import (
    Invocation,
    Problem,
    invocations,
    is_exempt,
)
from apiserver.admission.policies.params import Params
from apiserver.admission.policies.verdict import Verdict, judge
from apiserver.endpoint import API

_FAILURE = "validation.policy.admission.k8s.io/validation_failure"
_ESCAPED = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}
"""As Go's JSON has them."""
_LONGEST_ANNOTATION = 10 * 1024
_REFUSALS: dict[str, type[StatusError]] = {
    each.reason: each for each in (Forbidden, Unauthorized, RequestEntityTooLarge, Invalid)
}


class _Denial(NamedTuple):
    policy: str
    binding: Binding | None
    message: str
    reason: str = Invalid.reason


class ValidatingPolicies:
    def __init__(self, api: API) -> None:
        self._api = api
        self._policies = BoundPolicies(
            api, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingPolicy
        )
        self._params = Params(api)

    async def validate(self, request: AdmissionRequest) -> None:
        """Raises the StatusError of the first that refuses the write."""
        attributes = Attributes(self._api, request, final=True)
        if is_exempt(attributes):
            return
        asked = await invocations(self._policies, self._params, attributes)
        if asked:
            verdicts = await self._judge(attributes, asked)
            denials = [denial for each, verdict in zip(asked, verdicts, strict=True)
                       for denial in _act(request, each, verdict)]  # fmt: skip
            _annotate(request, asked, verdicts)
            if denials:
                raise _refusal(request, denials[0])

    async def _judge(
        self, attributes: Attributes, asked: Sequence[Invocation[ValidatingPolicy] | Problem[ValidatingPolicy]]
    ) -> list[Verdict]:
        """What each says; of problems, nothing."""
        namespace = self._params.namespace(attributes.request.namespace)
        shown = cache(partial(variables_of, attributes))
        known = [
            (each.policy, {**shown(each.shown), "namespaceObject": namespace, "params": each.params})
            if isinstance(each, Invocation)
            else None
            for each in asked
        ]

        def work(patience: Patience) -> list[Verdict]:
            return [Verdict() if each is None else judge(*each, patience) for each in known]

        return await evaluate(work)


def _act(
    request: AdmissionRequest, asked: Invocation[ValidatingPolicy] | Problem[ValidatingPolicy], verdict: Verdict
) -> list[_Denial]:
    """Do what the binding says is to be done about rules that are not kept.  Returns the refusals."""
    policy = asked.policy.name
    if isinstance(asked, Problem):
        return [_Denial(policy, asked.binding, asked.message)]
    denials = []
    spec: Any = asked.binding.spec
    assert isinstance(spec, ValidatingAdmissionPolicyBindingSpec)
    binding = asked.binding.metadata.name
    for failure in verdict.failures:
        for action in spec.validationActions:
            match action:
                case "Deny":
                    denials.append(_Denial(policy, asked.binding, failure.message, failure.reason))
                case "Warn":
                    told = f"Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{binding}'"
                    request.warnings.append(f"{told}: {failure.message}")
                case "Audit":
                    said = {
                        "message": failure.message,
                        "policy": policy,
                        "binding": binding,
                        "expressionIndex": failure.place,
                        "validationActions": spec.validationActions,
                    }
                    shown = orjson.dumps([said]).decode().translate(_ESCAPED)
                    request.audit_annotations.setdefault(_FAILURE, shown)
    return denials + [_Denial(policy, asked.binding, problem) for problem in verdict.bad_annotations]


def _annotate(
    request: AdmissionRequest,
    asked: Sequence[Invocation[ValidatingPolicy] | Problem[ValidatingPolicy]],
    verdicts: Sequence[Verdict],
) -> None:
    """Write down for the audit log what policies want there; what several bindings make, one after the other."""
    found: dict[str, dict[str, None]] = {}
    for each, verdict in zip(asked, verdicts, strict=True):
        for key, value in verdict.annotations:
            shortened = value.encode()[:_LONGEST_ANNOTATION].decode(errors="ignore")
            found.setdefault(f"{each.policy.name}/{key}", {})[shortened] = None
    for key, values in found.items():
        request.audit_annotations.setdefault(key, ", ".join(values))


def _refusal(request: AdmissionRequest, denial: _Denial) -> StatusError:
    bound = "" if denial.binding is None else f" with binding '{denial.binding.metadata.name}'"
    message = f"ValidatingAdmissionPolicy '{denial.policy}'{bound} denied request: {denial.message}"
    refusal = request.forbidden(message)
    assert refusal.details is not None
    refusal.details.causes.append(StatusCause(message=message))
    return _REFUSALS[denial.reason](refusal.message, refusal.details)
