"""Webhooks that may refuse writes, all asked at once."""

from __future__ import annotations

import asyncio

from api.admissionregistration_v1 import ValidatingWebhookConfiguration
from api.errors import StatusError
from apiserver.admission.attributes import Attributes
from apiserver.admission.matching import Match, is_exempt
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.webhooks.call import CallingFailed, call, fail_open, match_of
from apiserver.admission.webhooks.configurations import Configurations, Hook
from apiserver.endpoint import API

_FAILED_OPEN = "failed-open.validating.webhook.admission.k8s.io"


class ValidatingWebhooks:
    def __init__(self, api: API) -> None:
        self._api = api
        self._configurations = Configurations(api, ValidatingWebhookConfiguration)

    async def validate(self, request: AdmissionRequest) -> None:
        """Raises the StatusError of one that refuses the write; of several, of the first in order."""
        attributes = Attributes(self._api, request, final=True)
        if is_exempt(attributes):
            return
        matches = [(hook, await match_of(hook, attributes)) for hook in self._configurations.hooks()]
        meant = [(hook, shown) for hook, shown in matches if shown is not None]
        answers = await asyncio.gather(
            *(_ask(index, hook, attributes, shown) for index, (hook, shown) in enumerate(meant))
        )
        refusal = next(filter(None, answers), None)
        if refusal is not None:
            raise refusal


async def _ask(index: int, hook: Hook, attributes: Attributes, shown: Match) -> StatusError | None:
    """The refusal of the write, if there is one."""
    try:
        await call(hook, attributes, shown)
    except CallingFailed as error:
        if not hook.fails_open:
            return error.refusal(hook)
        fail_open(hook, error)
        attributes.request.audit_annotations[f"{_FAILED_OPEN}/round_0_index_{index}"] = hook.webhook.name
    except StatusError as error:
        return error
    return None
