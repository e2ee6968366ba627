"""Policies that change writes, one after the other: each sees what those before it have made.

When somebody has changed something after them, those that want to (`reinvocationPolicy: IfNeeded`) are asked once
more, after the server's own plugins.

https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from api.admissionregistration_v1 import MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding
from api.errors import Forbidden, Invalid, StatusError
from api.meta_v1 import StatusCause
from apiserver.admission.attributes import Attributes
from apiserver.admission.evaluation import Compiled, Evaluation, Patience, Unevaluable, evaluate
from apiserver.admission.match_conditions import variables_of
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.policies.bound import Binding, BoundPolicies
from apiserver.admission.policies.compiled import MutatingPolicy
from apiserver.admission.policies.invocations import (
    Invocation,
    Problem,
    invocations,
    is_exempt,
)
from apiserver.admission.policies.params import Object, Params
from apiserver.admission.policies.patches import CannotPatch, patched
from apiserver.endpoint import API
from apiserver.expressions.admission import BUDGET_OF_POLICY


class _Denial(NamedTuple):
    policy: str
    binding: Binding | None
    message: str
    refusal: type[StatusError] = Invalid


class MutatingPolicies:
    def __init__(self, api: API) -> None:
        self._api = api
        self.policies = BoundPolicies(api, MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingPolicy)
        self.params = Params(api)

    def begin(self, request: AdmissionRequest) -> PolicyChanges:
        """The changes of policies to one write, none of which is made yet."""
        return PolicyChanges(self, Attributes(self._api, request, final=False))


class PolicyChanges:
    """`made`: whether a policy has changed the write."""

    def __init__(self, source: MutatingPolicies, attributes: Attributes) -> None:
        self.made = False
        self._source, self._attributes = source, attributes
        self._concerned = attributes.operation != "DELETE" and not is_exempt(attributes)
        self._asked: set[tuple[str, ...]] = set()  # who wants to hear of later changes
        self._to_ask: set[tuple[str, ...]] = set()  # who is to hear of some
        self._left: Any = None  # the object as the policies left it

    async def make(self) -> None:
        """Raises StatusError when a policy refuses the write."""
        if self._concerned:
            await self._ask_all(again=False)

    async def make_again(self) -> None:
        """After others have looked at the changed object.  Nobody is asked who was not asked before."""
        if not self._concerned:
            return
        self._attributes.look_again()
        if self._attributes.object() != self._left:
            self._hear()
        if self._to_ask:
            await self._ask_all(again=True)

    def _hear(self) -> None:
        """Whoever was asked so far and wants to is to hear of a change."""
        self._to_ask |= self._asked
        self._asked.clear()

    async def _ask_all(self, *, again: bool) -> None:
        attributes, denials = self._attributes, []
        asked = await invocations(self._source.policies, self._source.params, attributes)
        namespace = self._source.params.namespace(attributes.request.namespace) if asked else None
        for each in asked:
            if isinstance(each, Problem):
                denials.append(_Denial(each.policy.name, each.binding, each.message, Forbidden))
                continue
            await attributes.show(each.shown.kind)
            try:
                if not await self._meant(each):
                    continue
            except Unevaluable as error:
                denials.append(_Denial(each.policy.name, each.binding, str(error)))
                continue
            key = _key(each)
            if again and key not in self._to_ask:
                continue
            changed, problems = await self._ask(each, namespace)
            if not each.policy.fails_open:
                denials += [_Denial(each.policy.name, each.binding, problem) for problem in problems]
            if changed:
                self.made = True
                self._hear()
            if each.policy.reinvoked:
                self._asked.add(key)
        if self.made:
            self._hear()
        self._left = attributes.object()
        if denials:
            raise _refusal(attributes, denials)

    async def _meant(self, asked: Invocation[MutatingPolicy]) -> bool:
        """Whether the policy's conditions hold.  Raises Unevaluable."""
        conditions = asked.policy.conditions
        if conditions is None:
            return True
        found = {**variables_of(self._attributes, asked.shown), "params": asked.params}
        return await evaluate(lambda patience: conditions.hold(found, patience))

    async def _ask(self, asked: Invocation[MutatingPolicy], namespace: Object | None) -> tuple[bool, list[str]]:
        """Make the changes of a policy.  Returns whether they change anything, and why some cannot be made.

        Raises InternalError, RequestEntityTooLarge for a change that makes no object of the kind.
        """
        attributes, kind = self._attributes, asked.shown.kind
        changed, problems = False, []
        for patch_type, expression in asked.policy.mutations:
            await asyncio.sleep(0)  # however many there are, others have their turn
            await attributes.show(kind)
            document = attributes.object(kind)
            if document is None:
                break
            base = variables_of(attributes, asked.shown)
            known = {**base, "namespaceObject": namespace, "params": asked.params}
            try:
                value = await evaluate(partial(_value, asked.policy, expression, known))
                after = patched(patch_type, attributes.schema(kind), document, value)
            except (Unevaluable, CannotPatch) as error:
                problems.append(str(error))
            else:
                changed |= after is not document and await attributes.replace_shown(after, kind)
        return changed, problems


def _value(policy: MutatingPolicy, expression: Compiled, known: Object, patience: Patience) -> Any:
    """Raises Unevaluable."""
    return Evaluation(known, BUDGET_OF_POLICY, patience, policy.composed).value(expression)


def _key(asked: Invocation[MutatingPolicy]) -> tuple[str, ...]:
    metadata = {} if asked.params is None else asked.params["metadata"]
    return asked.policy.name, asked.binding.metadata.name, metadata.get("namespace", ""), metadata.get("name", "")


def _refusal(attributes: Attributes, denials: Sequence[_Denial]) -> StatusError:
    """In the words of the first."""
    messages = []
    for denial in denials:
        bound = "" if denial.binding is None else f" with binding '{denial.binding.metadata.name}'"
        messages.append(f"policy '{denial.policy}'{bound} denied request: {denial.message}")
    request = attributes.request
    refusal = request.forbidden("")
    assert refusal.details is not None
    if request.nameless:  # the name is drawn later
        refusal.details.name = request.object.metadata.generateName
    refusal.details.causes += [StatusCause(message=message) for message in messages]
    return denials[0].refusal(messages[0], refusal.details, code=refusal.http_code)
