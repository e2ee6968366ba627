"""The expressions of admission policies, of match conditions and of device selectors, each in its environment.

https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/ and mutating-admission-policy,
https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/#deviceclass
"""

from __future__ import annotations

from functools import cache

from apiserver.cel.admission import admission_environment
from apiserver.cel.cost_estimate import estimate_cost
from apiserver.cel.environment import Environment
from apiserver.cel.errors import CompileError
from apiserver.cel.libraries.mutation import JSON_PATCH_TYPE, OBJECT_TYPE
from apiserver.cel.program import Program
from apiserver.cel.schema_types import Declared, size_at
from apiserver.cel.types import BOOL, DYN, NULL, STRING, Field, Type, list_of, map_of, object_type, opaque
from apiserver.cel.values import RUNTIME_NAMES

_LONGEST_DRIVER, _LONGEST_DOMAIN, _LONGEST_NAME, _LONGEST_ATTRIBUTE = 63, 63, 32, 64
_MOST_ATTRIBUTES = 32
_MOST_FOR_SELECTOR = 1_000_000
ANY = Type("dyn", "any")


class Refused(Exception):
    """An expression that may not stand where it does; its text is what clients are told."""


class TooCostly(Refused):
    """It is right but for what it could cost."""


def _shown(of: Type) -> str:
    return RUNTIME_NAMES.get(of.kind, str(of))


def compiled(environment: Environment, expression: str, *wanted: Type) -> Program:
    """`wanted` are the types that its value may have; any when there are none.  Raises Refused."""
    try:
        program = environment.compile(expression)
    except CompileError as error:
        raise Refused(error.detail) from None
    if wanted and program.type not in wanted:
        names = [_shown(of) for of in wanted]
        if len(names) > 1:
            raise Refused(f"must evaluate to one of [{' '.join(names)}] but got {_shown(program.type)}")
        raise Refused(f"must evaluate to {names[0]} but got {_shown(program.type)}")
    return program


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


# --- device selectors -------------------------------------------------------------------------------


def _by_name(element: Declared) -> Declared:
    """A map with at most as many entries as a device has attributes."""
    return Declared(map_of(STRING, element.type), _MOST_ATTRIBUTES, 2, element)


@cache
def _device() -> Declared:
    quantity = Declared(opaque("kubernetes.Quantity"))
    fields = {
        "driver": Declared(STRING, _LONGEST_DRIVER),
        "attributes": _by_name(_by_name(Declared(ANY, _LONGEST_ATTRIBUTE))),
        "capacity": _by_name(_by_name(quantity)),
        "allowMultipleAllocations": Declared(BOOL),
    }
    of = object_type("kubernetes.DRADevice", {name: Field(each.type, name) for name, each in fields.items()})
    return Declared(of, fields=fields)


@cache
def _device_environment() -> Environment:
    return Environment({"device": _device().type}, bindings=True)


def device_selector(expression: str) -> Program:
    """A selector of devices, over `device`.  Raises Refused."""
    program = compiled(_device_environment(), expression)
    if program.type not in (BOOL, ANY):
        raise Refused(f"must evaluate to bool or the unknown type, not {_shown(program.type)}")
    if estimate_cost(program.tree, _device_size).most > _MOST_FOR_SELECTOR:
        raise TooCostly("too complex, exceeds cost limit")
    return program


def _device_size(path: tuple[str, ...]) -> int | None:
    if path[:1] != ("device",):
        return None
    if path[-1:] == ("@keys",):
        return _LONGEST_DOMAIN if len(path) < 4 else _LONGEST_NAME
    if path[1:2] == ("attributes",) and len(path) == 4:  # whatever the attribute is called
        return _LONGEST_ATTRIBUTE
    return size_at(_device(), path)
