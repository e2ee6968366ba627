"""Policies with their expressions compiled."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial

from api.admissionregistration_v1 import MutatingAdmissionPolicy, ValidatingAdmissionPolicy
from apiserver.admission.evaluation import Compiled
from apiserver.admission.match_conditions import MatchConditions
from apiserver.expressions.policies import PolicyExpressions
from cel.program import Program
from cel.refusals import Refused


class CompiledPolicy:
    """What both kinds of policies have.  `fails_open`: whether a write goes on that it cannot judge.

    Expressions are to be looked at after `compile`.
    """

    patches = False
    """Whether it makes objects and JSON patches."""

    def __init__(self, policy: ValidatingAdmissionPolicy | MutatingAdmissionPolicy) -> None:
        spec = policy.spec
        self.name = policy.metadata.name
        self.constraints, self.param_kind = spec.matchConstraints, spec.paramKind
        self.fails_open = spec.failurePolicy == "Ignore"
        self.conditions: MatchConditions | None = None
        if spec.matchConditions:
            params = spec.paramKind is not None
            self.conditions = MatchConditions(spec.matchConditions, params=params, fails_open=self.fails_open)
        self._variables = spec.variables

    def compile(self) -> None:
        """What evaluating would have to wait for, and is not to be done by two at once."""
        if self.conditions is not None:
            self.conditions.compile()
        _ = self.composed

    @cached_property
    def expressions(self) -> PolicyExpressions:
        return PolicyExpressions(self.param_kind is not None)

    @cached_property
    def composed(self) -> dict[str, Compiled]:
        """The variables, which have to be compiled before all else."""
        found: dict[str, Compiled] = {}
        for variable in self._variables:
            compile = partial(self.expressions.variable, variable.name, patches=self.patches)
            found[variable.name] = or_refusal(compile, variable.expression)
        return found


class ValidatingPolicy(CompiledPolicy):
    def __init__(self, policy: ValidatingAdmissionPolicy) -> None:
        super().__init__(policy)
        self.validations = policy.spec.validations
        self._annotations = policy.spec.auditAnnotations

    def compile(self) -> None:
        super().compile()
        _ = self.rules, self.messages, self.annotations

    @cached_property
    def rules(self) -> list[Compiled]:
        return [or_refusal(self.expressions.validation, each.expression) for each in self.validations]

    @cached_property
    def messages(self) -> list[Compiled | None]:
        """Those of the validations, None for one without."""
        compile, sources = self.expressions.message, [each.messageExpression for each in self.validations]
        return [or_refusal(compile, source) if source else None for source in sources]

    @cached_property
    def annotations(self) -> list[tuple[str, Compiled]]:
        """Keys and values for the audit log."""
        compile = self.expressions.audit_annotation
        return [(each.key, or_refusal(compile, each.valueExpression)) for each in self._annotations]


class MutatingPolicy(CompiledPolicy):
    patches = True

    def __init__(self, policy: MutatingAdmissionPolicy) -> None:
        super().__init__(policy)
        self._mutations = policy.spec.mutations
        self.reinvoked = policy.spec.reinvocationPolicy == "IfNeeded"
        """Whether it wants to be asked again about what others have changed after it."""

    def compile(self) -> None:
        super().compile()
        _ = self.mutations

    @cached_property
    def mutations(self) -> list[tuple[str, Compiled]]:
        """The patch type and the expression of each."""
        found: list[tuple[str, Compiled]] = []
        for each in self._mutations:
            if each.jsonPatch is not None:
                found.append((each.patchType, or_refusal(self.expressions.json_patch, each.jsonPatch.expression)))
            elif each.applyConfiguration is not None:
                source = each.applyConfiguration.expression
                found.append((each.patchType, or_refusal(self.expressions.apply_configuration, source)))
        return found


def or_refusal(compile: Callable[[str], Program], source: str) -> Compiled:
    try:
        return compile(source)
    except Refused as error:
        return str(error)
