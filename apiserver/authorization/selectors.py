"""Field and label selectors as part of what is asked for: authorizers may allow to list some objects only.

https://kubernetes.io/docs/reference/access-authn-authz/webhook/#request-payloads (selectors, KEP-4601)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.authorization_v1 import FieldSelectorAttributes, LabelSelectorAttributes, ResourceAttributes
from api.meta_v1 import FieldSelectorRequirement, LabelSelector
from api.selectors import FieldMatcher, FieldTerm, LabelMatcher, SelectorError
from apiserver.request import RequestInfo

_LABEL_OPERATORS = {
    "in": "In",
    "=": "In",
    "==": "In",
    "notin": "NotIn",
    "!=": "NotIn",
    "exists": "Exists",
    "!": "DoesNotExist",
}
_NEGATED = {"In": False, "NotIn": True}


def selectors_of(info: RequestInfo) -> dict[str, Any]:
    """`fieldSelector` and `labelSelector` of a SubjectAccessReview's resourceAttributes, as JSON.

    What cannot be read, or not be said there, is left out: less is selected then, so that no more is allowed.
    """
    found: dict[str, Any] = {}
    if fields := _fields(info.field_selector):
        found["fieldSelector"] = {
            "requirements": [
                {"key": term.field, "operator": "NotIn" if term.negated else "In", "values": [term.value]}
                for term in fields
            ]
        }
    labels = []
    for requirement in _labels(info.label_selector):
        operator = _LABEL_OPERATORS.get(requirement.operator)
        if operator is not None:
            values = {"values": list(requirement.values)} if requirement.values else {}
            labels.append({"key": requirement.key, "operator": operator, **values})
    if labels:
        found["labelSelector"] = {"requirements": labels}
    return found


def _fields(text: str) -> tuple[FieldTerm, ...]:
    try:
        return FieldMatcher.parse(text).terms
    except SelectorError:
        return ()


def _labels(text: str) -> tuple[Any, ...]:
    try:
        return LabelMatcher.parse(text).requirements
    except SelectorError:
        return ()


def written_field_selector(asked: FieldSelectorAttributes | None) -> str:
    """What a review asks about, as a client would write it; conditions that no client can write are left out."""
    if asked is None:
        return ""
    return asked.rawSelector or ",".join(map(str, _terms(asked.requirements)))


def _terms(requirements: list[FieldSelectorRequirement]) -> Iterator[FieldTerm]:
    for each in requirements:
        if each.operator in _NEGATED and len(each.values) == 1:
            yield FieldTerm(each.key, each.values[0], _NEGATED[each.operator])


def written_label_selector(asked: LabelSelectorAttributes | None) -> str:
    if asked is None:
        return ""
    return asked.rawSelector or ",".join(str(matcher) for matcher in _matchers(asked))


def _matchers(asked: LabelSelectorAttributes) -> Iterator[LabelMatcher]:
    for requirement in asked.requirements:
        try:
            yield LabelMatcher.from_model(LabelSelector(matchExpressions=[requirement]))
        except SelectorError:
            continue


def unreadable(asked: ResourceAttributes) -> Iterator[str]:
    """What a review's answer says about selectors that were not, or not all, considered."""
    fields, labels = asked.fieldSelector, asked.labelSelector
    if fields is not None:
        understood = len(_fields(fields.rawSelector)) or len(list(_terms(fields.requirements)))
        yield from _complaint("fieldSelector", fields.rawSelector, len(fields.requirements), understood)
    if labels is not None:
        understood = len(_labels(labels.rawSelector)) or len(list(_matchers(labels)))
        yield from _complaint("labelSelector", labels.rawSelector, len(labels.requirements), understood)


def _complaint(name: str, raw: str, wanted: int, understood: int) -> Iterator[str]:
    if understood < (1 if raw else wanted):
        how = "partially ignored" if understood else "ignored"
        yield f"spec.resourceAttributes.{name} {how} due to parse error"
