"""Which policies are asked about a write: once for each binding and each of its parameters."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from api.errors import StatusError
from apiserver.admission.attributes import Attributes
from apiserver.admission.matching import Match, match_resources
from apiserver.admission.policies.bound import Binding, BoundPolicies
from apiserver.admission.policies.compiled import CompiledPolicy
from apiserver.admission.policies.params import Object, Params, Unusable

P = TypeVar("P", bound=CompiledPolicy)
_EXEMPT = frozenset(
    {
        "mutatingadmissionpolicies.admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "selfsubjectreviews.authentication.k8s.io", "tokenreviews.authentication.k8s.io",
        "localsubjectaccessreviews.authorization.k8s.io", "selfsubjectaccessreviews.authorization.k8s.io",
        "selfsubjectrulesreviews.authorization.k8s.io", "subjectaccessreviews.authorization.k8s.io",
    }
)  # fmt: skip


class Invocation(NamedTuple, Generic[P]):
    """`shown`: as what the policy sees the write."""

    policy: P
    binding: Binding
    shown: Match
    params: Object | None


class Problem(NamedTuple, Generic[P]):
    """Why a policy cannot be asked; None for `binding` where that is none of a binding's making."""

    policy: P
    binding: Binding | None
    message: str


def is_exempt(attributes: Attributes) -> bool:
    """Whether no policy is asked about a write: they could otherwise keep themselves from being changed, and reviews
    are asked by those who enforce what was decided."""
    return attributes.resource.group_resource in _EXEMPT


async def invocations(
    policies: BoundPolicies[P], params: Params, attributes: Attributes
) -> list[Invocation[P] | Problem[P]]:
    """In order.  Problems of those that fail open are left out."""
    found: list[Invocation[P] | Problem[P]] = []
    for policy, bindings in policies.all():
        try:
            assert policy.constraints is not None, "every policy says what it is about"
            shown = match_resources(policy.constraints, attributes)
            if shown is None:
                continue
            policy.compile()
            if policy.param_kind is not None:
                params.endpoint(policy.param_kind)
        except (StatusError, Unusable) as error:
            if not policy.fails_open:
                found.append(Problem(policy, None, f"failed to configure policy: {error}"))
            continue
        for binding in bindings:
            try:
                spec = binding.spec
                if spec.matchResources is not None and match_resources(spec.matchResources, attributes) is None:
                    continue
                await attributes.show(shown.kind)
                documents = await params.find(policy.param_kind, spec.paramRef, attributes.namespace)
                found += [Invocation(policy, binding, shown, document) for document in documents]
            except (StatusError, Unusable) as error:
                if not policy.fails_open:
                    found.append(Problem(policy, binding, f"failed to configure binding: {error}"))
    return found
