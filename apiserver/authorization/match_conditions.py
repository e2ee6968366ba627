"""Conditions in CEL under which an authorization webhook is asked.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#using-configuration-file-for-authorization
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from apiserver.configured_expressions import ACCESS, TRUTH, ConfiguredExpression


def match_conditions(expressions: Sequence[str], where: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a SubjectAccessReview's spec meets all of them; ValueError where one fails and none says no.

    Raises ConfigurationError for those that do not compile.
    """
    programs = [
        ConfiguredExpression(text, ACCESS, f"{where}[{index}].expression", TRUTH)
        for index, text in enumerate(expressions)
    ]

    def matches(spec: dict[str, Any]) -> bool:
        failure: ValueError | None = None
        values = {"request": _complete(spec)}
        for program in programs:
            try:
                if not program(values):
                    return False
            except ValueError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return True

    return matches


def _complete(spec: dict[str, Any]) -> dict[str, Any]:
    """The same with what is empty, so that conditions need not ask whether it is there."""
    complete = {"user": "", "groups": [], "uid": "", "extra": {}} | spec
    if "resourceAttributes" in spec:
        complete["resourceAttributes"] = dict.fromkeys(_ATTRIBUTES, "") | spec["resourceAttributes"]
    else:
        complete["nonResourceAttributes"] = {"path": "", "verb": ""} | spec["nonResourceAttributes"]
    return complete


_ATTRIBUTES = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
