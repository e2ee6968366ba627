"""Admission that objects in the cluster describe: webhooks.

Asked only where there are such objects, and loaded when there are for the first time: a server without any does not
pay for it.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from apiserver.storage.watch_cache import key_prefix

if TYPE_CHECKING:
    from apiserver.admission.plugin import AdmissionRequest
    from apiserver.admission.webhooks.mutating import MutatingWebhooks
    from apiserver.admission.webhooks.validating import ValidatingWebhooks
    from apiserver.endpoint import API

_MUTATING = key_prefix("mutatingwebhookconfigurations.admissionregistration.k8s.io")
_VALIDATING = key_prefix("validatingwebhookconfigurations.admissionregistration.k8s.io")


class DynamicAdmission:
    def __init__(self, api: API) -> None:
        self._api = api

    @property
    def mutates(self) -> bool:
        """Whether anybody is there to be asked."""
        return self._api.cache.count(_MUTATING) > 0

    @property
    def validates(self) -> bool:
        return self._api.cache.count(_VALIDATING) > 0

    @cached_property
    def _mutating_webhooks(self) -> MutatingWebhooks:
        from apiserver.admission.webhooks.mutating import MutatingWebhooks

        return MutatingWebhooks(self._api)

    @cached_property
    def _validating_webhooks(self) -> ValidatingWebhooks:
        from apiserver.admission.webhooks.validating import ValidatingWebhooks

        return ValidatingWebhooks(self._api)

    async def mutate(self, request: AdmissionRequest, *, plugins: bool = True) -> bool:
        """Let webhooks change a write; where one has, the `plugins` look at it again, and those webhooks that want to
        (KEP-1872).  Returns whether one has.  Raises StatusError when one refuses the write."""
        changes = self._mutating_webhooks.begin(request)
        await changes.make()
        if changes.again_needed:
            if plugins and request.object is not None:
                for plugin in self._api.admission:
                    plugin.mutate(request)
            await changes.make_again()
        return changes.made

    async def validate(self, request: AdmissionRequest) -> None:
        """Raises StatusError when somebody refuses the write."""
        await self._validating_webhooks.validate(request)
