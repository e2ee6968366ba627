"""The expressions of admission policies and of match conditions, each in its environment.

https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/ and mutating-admission-policy
"""

from __future__ import annotations

from functools import cache

from apiserver.expressions.admission import admission_environment
from cel.environment import Environment
from cel.libraries.mutation import JSON_PATCH_TYPE, OBJECT_TYPE
from cel.program import Program
from cel.refusals import compiled
from cel.types import BOOL, DYN, NULL, STRING, Type, list_of


@cache
def _without_variables(params: bool, authorizer: bool = True) -> Environment:
    return admission_environment(params=params, authorizer=authorizer)


def match_condition(expression: str, params: bool = False) -> Program:
    """A match condition of a webhook or, with `params` where it has a paramKind, of a policy.  Raises Refused."""
    return compiled(_without_variables(params), expression, BOOL)


class PolicyExpressions:
    """Compiles the expressions of one policy: first its variables in their order, which the others then see.

    `params`: whether the policy has a paramKind; `of` and `of_params`: the types of objects and of `params`, where
    they are known.  Every method raises Refused.
    """

    def __init__(self, params: bool, of: Type = DYN, of_params: Type = DYN) -> None:
        self._params, self._of, self._of_params = params, of, of_params
        self._variables: dict[str, Type] = {}
        self._environments: dict[tuple[bool, bool], Environment] = {}

    def _environment(self, authorizer: bool = True, patches: bool = False) -> Environment:
        key = (authorizer, patches)
        if key not in self._environments:
            self._environments[key] = admission_environment(
                params=self._params,
                authorizer=authorizer,
                variables=self._variables,
                patches=patches,
                of=self._of,
                of_params=self._of_params,
            )
        return self._environments[key]

    def variable(self, name: str, expression: str, patches: bool = False) -> Program:
        """What is declared by it can be used from now on, even if it is refused: then it may be anything."""
        environment = self._environment(patches=patches)
        self._environments = {}
        self._variables = {**self._variables, name: DYN}
        program = compiled(environment, expression)
        self._variables[name] = program.type
        return program

    def validation(self, expression: str) -> Program:
        return compiled(self._environment(), expression, BOOL)

    def message(self, expression: str) -> Program:
        return compiled(self._environment(authorizer=False), expression, STRING)

    def audit_annotation(self, expression: str) -> Program:
        return compiled(self._environment(), expression, STRING, NULL)

    def apply_configuration(self, expression: str) -> Program:
        return compiled(self._environment(patches=True), expression, OBJECT_TYPE)

    def json_patch(self, expression: str) -> Program:
        return compiled(self._environment(patches=True), expression, list_of(JSON_PATCH_TYPE))
