"""Admission that objects in the cluster describe: policies, and after them webhooks.

Asked only where there are such objects, and loaded when there are for the first time: a server without any does not
pay for it.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/,
https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/ and mutating-admission-policy
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from apiserver.storage.watch_cache import key_prefix

if TYPE_CHECKING:
    from apiserver.admission.plugin import AdmissionRequest
    from apiserver.admission.policies.mutating import MutatingPolicies, PolicyChanges
    from apiserver.admission.policies.validating import ValidatingPolicies
    from apiserver.admission.webhooks.mutating import Changes, MutatingWebhooks
    from apiserver.admission.webhooks.validating import ValidatingWebhooks
    from apiserver.endpoint import API

_PREFIXES = {
    plugin: key_prefix(f"{plural}.admissionregistration.k8s.io")
    for plugin, plural in {
        "MutatingAdmissionPolicy": "mutatingadmissionpolicybindings",
        "MutatingAdmissionWebhook": "mutatingwebhookconfigurations",
        "ValidatingAdmissionPolicy": "validatingadmissionpolicybindings",
        "ValidatingAdmissionWebhook": "validatingwebhookconfigurations",
    }.items()
}
"""Of the objects without which nobody is asked."""


class DynamicAdmission:
    def __init__(self, api: API) -> None:
        self._api = api
        self._prefixes = {plugin: prefix for plugin, prefix in _PREFIXES.items() if plugin not in api.disabled}

    @property
    def mutates(self) -> bool:
        """Whether anybody is there to be asked."""
        return self._has("MutatingAdmissionPolicy") or self._has("MutatingAdmissionWebhook")

    @property
    def validates(self) -> bool:
        return self._has("ValidatingAdmissionPolicy") or self._has("ValidatingAdmissionWebhook")

    def _has(self, plugin: str) -> bool:
        prefix = self._prefixes.get(plugin)
        return prefix is not None and self._api.cache.count(prefix) > 0

    @cached_property
    def _mutating_webhooks(self) -> MutatingWebhooks:
        from apiserver.admission.webhooks.mutating import MutatingWebhooks

        return MutatingWebhooks(self._api)

    @cached_property
    def _validating_webhooks(self) -> ValidatingWebhooks:
        from apiserver.admission.webhooks.validating import ValidatingWebhooks

        return ValidatingWebhooks(self._api)

    @cached_property
    def _mutating_policies(self) -> MutatingPolicies:
        from apiserver.admission.policies.mutating import MutatingPolicies

        return MutatingPolicies(self._api)

    @cached_property
    def _validating_policies(self) -> ValidatingPolicies:
        from apiserver.admission.policies.validating import ValidatingPolicies

        return ValidatingPolicies(self._api)

    async def mutate(self, request: AdmissionRequest, *, plugins: bool = True) -> bool:
        """Let policies and webhooks change a write; where one has, the `plugins` look at it again, and those of them
        that want to (KEP-1872).  Returns whether one has.  Raises StatusError when one refuses the write."""
        changes: list[PolicyChanges | Changes] = []
        if self._has("MutatingAdmissionPolicy"):
            changes.append(self._mutating_policies.begin(request))
        if self._has("MutatingAdmissionWebhook"):
            changes.append(self._mutating_webhooks.begin(request))
        for each in changes:
            await each.make()
        if any(each.made for each in changes):
            if plugins and request.object is not None:
                for change in self._api.mutating:
                    change(request)
            for each in changes:
                await each.make_again()
            return True
        return False

    async def validate(self, request: AdmissionRequest) -> None:
        """Raises StatusError when somebody refuses the write."""
        if self._has("ValidatingAdmissionPolicy"):
            await self._validating_policies.validate(request)
        if self._has("ValidatingAdmissionWebhook"):
            await self._validating_webhooks.validate(request)
