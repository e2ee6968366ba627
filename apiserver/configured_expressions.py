"""CEL in the files that configure authentication and authorization.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-authentication-configuration
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apiserver.configuration_file import ConfigurationError
from cel import BudgetExceeded, CompileError, EvaluationError
from cel.environment import Environment
from cel.types import BOOL, DYN, STRING, Field, Type, list_of, map_of, object_type

_BUDGET = 1_000_000
"""What one evaluation may cost."""
_STRINGS = list_of(STRING)
TEXT, TEXTS, TRUTH = (STRING,), (STRING, _STRINGS), (BOOL,)
"""What expressions may result in; what turns out only when they are evaluated is let through."""


def _object(name: str, /, **fields: Type) -> Type:
    return object_type(f"kubernetes.{name}", {key: Field(of, key) for key, of in fields.items()})


def _selector(name: str) -> Type:
    requirement = _object(f"{name}Requirement", key=STRING, operator=STRING, values=_STRINGS)
    return _object(f"{name}Attributes", rawSelector=STRING, requirements=list_of(requirement))


_EXTRA = map_of(STRING, _STRINGS)
CLAIMS = {"claims": map_of(STRING, DYN)}
USER = {"user": _object("UserInfo", username=STRING, uid=STRING, groups=_STRINGS, extra=_EXTRA)}
ACCESS = {
    "request": _object(
        "SubjectAccessReviewSpec",
        resourceAttributes=_object(
            "ResourceAttributes",
            **dict.fromkeys(("namespace", "verb", "group", "version", "resource", "subresource", "name"), STRING),
            fieldSelector=_selector("FieldSelector"),
            labelSelector=_selector("LabelSelector"),
        ),
        nonResourceAttributes=_object("NonResourceAttributes", path=STRING, verb=STRING),
        user=STRING,
        groups=_STRINGS,
        uid=STRING,
        extra=_EXTRA,
    )
}
"""Variables of expressions about claims, about users made of them, and about what is asked of authorizers."""


class ConfiguredExpression:
    """One expression; `where` is its place in the file.  Raises ConfigurationError when it does not compile."""

    def __init__(self, text: str, variables: Mapping[str, Type], where: str, results: Sequence[Type]) -> None:
        try:
            self._program = Environment(variables).compile(text)
        except CompileError as error:
            raise ConfigurationError(f"{where}: compilation failed: {error}") from None
        if self._program.type not in (*results, DYN):
            raise ConfigurationError(f"{where}: must evaluate to {' or '.join(map(str, results))}")

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """Raises ValueError when it cannot be evaluated."""
        try:
            return self._program.evaluate(values, _BUDGET)[0]
        except (EvaluationError, BudgetExceeded) as error:
            raise ValueError(str(error)) from None
