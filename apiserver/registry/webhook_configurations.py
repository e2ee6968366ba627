"""Webhooks that have a say in writes.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from api.admissionregistration_v1 import (
    MutatingWebhook,
    MutatingWebhookConfiguration,
    ValidatingWebhook,
    ValidatingWebhookConfiguration,
)
from api.errors import FieldError, duplicate, invalid_value, not_supported, required
from api.scheme import resource_of
from apiserver.registry.admission_rules import (
    FAILURE_POLICIES,
    MATCH_POLICIES,
    REINVOCATION_POLICIES,
    default_matching,
    validate_choice,
    validate_match_conditions,
    validate_rule,
)
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.labels import validate_selector
from apiserver.registry.names import subdomain
from apiserver.registry.strategy import Column, Context, Strategy
from apiserver.registry.webhook_clients import (
    ACCEPTED_VERSIONS,
    default_client,
    validate_client,
    validate_review_versions,
)

Webhook = MutatingWebhook | ValidatingWebhook
_C = TypeVar("_C", MutatingWebhookConfiguration, ValidatingWebhookConfiguration)
_HARMLESS = ("None", "NoneOnDryRun")
_SIDE_EFFECTS = ("None", "NoneOnDryRun", "Some", "Unknown")
_LONGEST_WAIT = 30


@dataclass(frozen=True)
class _Leniency:
    """What an update may leave as it was when the rules were laxer."""

    side_effects: bool = False
    versions: bool = False
    doubled_names: bool = False
    label_values: bool = False
    same_conditions: bool = False

    @classmethod
    def of(cls, new: Sequence[Webhook], old: Sequence[Webhook]) -> _Leniency:
        names = [hook.name for hook in old]
        selectors = [selector for hook in old for selector in (hook.namespaceSelector, hook.objectSelector)]
        return cls(
            side_effects=any(hook.sideEffects not in _HARMLESS for hook in old),
            versions=any(not set(hook.admissionReviewVersions or ["v1"]) & set(ACCEPTED_VERSIONS) for hook in old),
            doubled_names=len(names) > len(set(names)),
            label_values=any(any(validate_selector(selector, "")) for selector in selectors),
            same_conditions=[hook.matchConditions for hook in new] == [hook.matchConditions for hook in old],
        )


class _WebhookConfigurations(Strategy[_C]):
    unconditional_update = False
    columns = (
        NAME,
        Column("Webhooks", lambda c, now: len(c.webhooks), type="integer", description="How many webhooks there are."),
        AGE,
    )

    def default(self, obj: _C) -> None:
        for hook in obj.webhooks:
            default_matching(hook, hook.rules)
            default_client(hook.clientConfig)
            if hook.failurePolicy is None:
                hook.failurePolicy = "Fail"
            if hook.timeoutSeconds is None:
                hook.timeoutSeconds = 10
            if isinstance(hook, MutatingWebhook) and hook.reinvocationPolicy is None:
                hook.reinvocationPolicy = "Never"

    def prepare_for_create(self, new: _C, context: Context) -> None:
        new.metadata.generation = 1

    def prepare_for_update(self, new: _C, old: _C, context: Context) -> None:
        new.metadata.generation = old.metadata.generation + (new.webhooks != old.webhooks)

    def validate(self, new: _C) -> Iterator[FieldError]:
        return _validate_webhooks(new.webhooks, _Leniency())

    def validate_changed(self, new: _C, old: _C) -> Iterator[FieldError]:
        return _validate_webhooks(new.webhooks, _Leniency.of(new.webhooks, old.webhooks))


class MutatingWebhookConfigurations(_WebhookConfigurations[MutatingWebhookConfiguration]):
    resource = resource_of(MutatingWebhookConfiguration)


class ValidatingWebhookConfigurations(_WebhookConfigurations[ValidatingWebhookConfiguration]):
    resource = resource_of(ValidatingWebhookConfiguration)


def _validate_webhooks(webhooks: Sequence[Webhook], lenient: _Leniency) -> Iterator[FieldError]:
    seen: set[str] = set()
    missing = f"must specify one of {', '.join(ACCEPTED_VERSIONS)}"
    for index, hook in enumerate(webhooks):
        path = f"webhooks[{index}]"
        yield from _validate_webhook(hook, path, lenient)
        where = f"{path}.admissionReviewVersions"
        yield from validate_review_versions(hook.admissionReviewVersions, where, missing, not lenient.versions)
        if hook.name and not lenient.doubled_names:
            if hook.name in seen:
                yield duplicate(f"{path}.name", hook.name)
            seen.add(hook.name)


def _validate_webhook(hook: Webhook, path: str, lenient: _Leniency) -> Iterator[FieldError]:
    yield from _validate_full_name(hook.name, f"{path}.name")
    for index, rule in enumerate(hook.rules):
        yield from validate_rule(rule, f"{path}.rules[{index}]")
    yield from validate_choice(hook.failurePolicy, FAILURE_POLICIES, f"{path}.failurePolicy", needed=False)
    yield from validate_choice(hook.matchPolicy, MATCH_POLICIES, f"{path}.matchPolicy", needed=False)
    allowed = _SIDE_EFFECTS if lenient.side_effects else _HARMLESS
    if hook.sideEffects is None:
        yield required(f"{path}.sideEffects", f"must specify one of {', '.join(allowed)}")
    elif hook.sideEffects not in allowed:
        yield not_supported(f"{path}.sideEffects", hook.sideEffects, allowed)
    if hook.timeoutSeconds is not None and not 1 <= hook.timeoutSeconds <= _LONGEST_WAIT:
        detail = f"the timeout value must be between 1 and {_LONGEST_WAIT} seconds"
        yield invalid_value(f"{path}.timeoutSeconds", hook.timeoutSeconds, detail)
    for name in ("namespaceSelector", "objectSelector"):
        yield from validate_selector(getattr(hook, name), f"{path}.{name}", allow_bad_values=lenient.label_values)
    if isinstance(hook, MutatingWebhook):
        where = f"{path}.reinvocationPolicy"
        yield from validate_choice(hook.reinvocationPolicy, REINVOCATION_POLICIES, where, needed=False)
    yield from validate_client(hook.clientConfig, f"{path}.clientConfig")
    if not lenient.same_conditions:
        yield from validate_match_conditions(hook.matchConditions, f"{path}.matchConditions")


def _validate_full_name(name: str, path: str) -> Iterator[FieldError]:
    if not name:
        yield required(path)
    elif complaints := subdomain(name):
        yield invalid_value(path, name, ",".join(complaints))
    elif name.count(".") < 2:
        yield invalid_value(path, name, "should be a domain with at least three segments separated by dots")
