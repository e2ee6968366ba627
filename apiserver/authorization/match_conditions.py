"""Conditions in CEL under which an authorization webhook is asked.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#using-configuration-file-for-authorization
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from apiserver.configured_expressions import ConfiguredExpression


def match_conditions(expressions: Sequence[str], where: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a SubjectAccessReview's spec meets all of them; ValueError where one fails and none says no.

    Raises ConfigurationError for those that do not compile.
    """
    programs = [
        ConfiguredExpression(text, ("request",), f"{where}[{index}].expression", result="bool")
        for index, text in enumerate(expressions)
    ]

    def matches(spec: dict[str, Any]) -> bool:
        failure: ValueError | None = None
        for program in programs:
            try:
                if not program({"request": spec}):
                    return False
            except ValueError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return True

    return matches
