"""Which writes webhooks and policies are about.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-rules
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from api.admissionregistration_v1 import MatchResources, NamedRuleWithOperations, RuleWithOperations
from api.core_v1 import Namespace
from api.errors import internal_error, not_found
from api.meta_v1 import LabelSelector
from api.scheme import Resource
from apiserver.admission.attributes import Attributes, Kind, Object
from apiserver.registry.labels import matches

_CONFIGURES_ADMISSION = frozenset(
    {
        "mutatingadmissionpolicies", "mutatingadmissionpolicybindings", "mutatingwebhookconfigurations",
        "validatingadmissionpolicies", "validatingadmissionpolicybindings", "validatingwebhookconfigurations",
    }
)  # fmt: skip


class Matching(Protocol):
    """What webhooks and policies say of the writes they are about."""

    matchPolicy: str | None
    namespaceSelector: LabelSelector | None
    objectSelector: LabelSelector | None


class Match(NamedTuple):
    """As what a write is shown: the resource and the kind that a rule asks for."""

    resource: Resource
    kind: Kind


def is_exempt(attributes: Attributes) -> bool:
    """Whether nobody from outside is asked about a write: it could not be undone what keeps everything from being
    written."""
    resource = attributes.resource
    return resource.group == "admissionregistration.k8s.io" and resource.plural in _CONFIGURES_ADMISSION


def match(
    matching: Matching, rules: Sequence[RuleWithOperations | NamedRuleWithOperations], attributes: Attributes
) -> Match | None:
    """As what a write is meant; None when it is not.

    Raises NotFound when it is, but for a namespace that does not exist and could have had the labels.
    """
    if not _object_matches(matching.objectSelector, attributes):
        return None
    there = _in_namespace(matching.namespaceSelector, attributes)
    if there is False:
        return None
    found = _by_rules(rules, attributes, matching.matchPolicy != "Exact")
    if found is not None and there is None:
        raise not_found("", "namespaces", attributes.namespace)
    return found


_EVERYTHING = NamedRuleWithOperations(operations=["*"], apiGroups=["*"], apiVersions=["*"], resources=["*/*"])


def match_resources(resources: MatchResources, attributes: Attributes) -> Match | None:
    """The same for a policy or a binding of one: these exclude some writes, and are about all without rules.

    Raises NotFound, InternalError.
    """
    if _by_rules(resources.excludeResourceRules, attributes, resources.matchPolicy != "Exact") is not None:
        return None
    return match(resources, resources.resourceRules or [_EVERYTHING], attributes)


def _by_rules(
    rules: Sequence[RuleWithOperations | NamedRuleWithOperations], attributes: Attributes, equivalent: bool
) -> Match | None:
    if any(_rule_matches(rule, attributes.resource, attributes) for rule in rules):
        return Match(attributes.resource, attributes.kind)
    for rule in rules if equivalent else ():
        for other in attributes.equivalents:
            if _rule_matches(rule, other, attributes):
                kind = attributes.kind_for(other)
                if not kind.kind:
                    raise internal_error(f"unable to convert to {other.group_resource}: unknown kind")
                return Match(other, kind)
    return None


def _rule_matches(
    rule: RuleWithOperations | NamedRuleWithOperations, resource: Resource, attributes: Attributes
) -> bool:
    names = rule.resourceNames if isinstance(rule, NamedRuleWithOperations) else []
    return (
        _includes(rule.operations, attributes.operation)
        and _includes(rule.apiGroups, resource.group)
        and _includes(rule.apiVersions, resource.group_version.version)
        and any(_is_resource(text, resource.plural, attributes.request.subresource) for text in rule.resources)
        and _in_scope(rule.scope, attributes)
        and (not names or attributes.name in names)
    )


def _includes(values: Sequence[str], wanted: str) -> bool:
    return wanted in values or "*" in values


def _is_resource(text: str, plural: str, subresource: str) -> bool:
    resource, _, part = text.partition("/")
    return resource in ("*", plural) and part in ("*", subresource)


def _in_scope(scope: str | None, attributes: Attributes) -> bool:
    if scope in (None, "*"):
        return True
    is_namespaced = bool(attributes.namespace) and attributes.resource.group_resource != "namespaces"
    return is_namespaced == (scope == "Namespaced")


def _is_empty(selector: LabelSelector | None) -> bool:
    return selector is None or not (selector.matchLabels or selector.matchExpressions)


def _object_matches(selector: LabelSelector | None, attributes: Attributes) -> bool:
    """Either state of the object is enough."""
    if selector is None or _is_empty(selector):
        return True
    states = (attributes.object(), attributes.old_object())
    return any(state is not None and matches(selector, _labels(state)) for state in states)


def _labels(document: Object) -> Mapping[str, str]:
    labels: Mapping[str, str] = (document.get("metadata") or {}).get("labels") or {}
    return labels


def _in_namespace(selector: LabelSelector | None, attributes: Attributes) -> bool | None:
    """Whether the write's namespace has the labels; None when there is no such namespace.  What is in no namespace
    is meant by every selector."""
    is_namespace = attributes.resource.group_resource == "namespaces"
    if selector is None or _is_empty(selector) or not (attributes.namespace or is_namespace):
        return True
    request = attributes.request
    if is_namespace and not request.subresource and request.operation in ("CREATE", "UPDATE"):
        return matches(selector, _labels(attributes.object() or {}))
    namespace: Namespace | None = request.context.peek(Namespace, "", attributes.namespace)
    return None if namespace is None else matches(selector, namespace.metadata.labels)
