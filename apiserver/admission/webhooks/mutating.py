"""Webhooks that change writes, one after the other: each sees what those before it have made.

When one has changed something, those asked before it that want to (`reinvocationPolicy: IfNeeded`) are asked once more,
after the server's own plugins (KEP-1872).
"""

from __future__ import annotations

from typing import Any

import orjson

from api.admission_v1 import AdmissionResponse
from api.admissionregistration_v1 import MutatingWebhook, MutatingWebhookConfiguration
from api.errors import RequestEntityTooLarge, internal_error
from api.quoting import quoted
from apiserver.admission.attributes import Attributes
from apiserver.admission.matching import Match, is_exempt
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.webhooks.call import CallingFailed, call, fail_open, match_of
from apiserver.admission.webhooks.configurations import Configurations, Hook
from apiserver.admission.webhooks.review import patch_of
from apiserver.endpoint import API
from apiserver.go_errors import kind_of, syntax_error
from apiserver.patch import json_patch

_UNDECODABLE = "received undecodable patch in webhook response"
_GO = "json: cannot unmarshal {} into Go value of type jsonpatch.{}"
_MADE = "mutation.webhook.admission.k8s.io"


class MutatingWebhooks:
    def __init__(self, api: API) -> None:
        self._api = api
        self._configurations = Configurations(api, MutatingWebhookConfiguration)

    def begin(self, request: AdmissionRequest) -> Changes:
        """The changes of webhooks to one write, none of which is made yet."""
        attributes = Attributes(self._api, request, final=False)
        return Changes(attributes, [] if is_exempt(attributes) else list(self._configurations.hooks()))


class Changes:
    """`made`: whether a webhook has changed the write."""

    def __init__(self, attributes: Attributes, hooks: list[Hook]) -> None:
        self.made = False
        self._attributes, self._hooks = attributes, hooks
        self._asked: set[str] = set()  # who wants to hear of later changes
        self._to_ask: set[str] = set()  # who is to hear of some
        self._left: Any = None  # the object as the webhooks left it

    async def make(self) -> None:
        """Raises StatusError when a webhook refuses the write."""
        await self._ask_all(0)

    async def make_again(self) -> None:
        """After the plugins have looked at the changed object.  Nobody is asked who was not asked before."""
        self._attributes.look_again()
        if self._attributes.object() != self._left:
            self._to_ask |= self._asked
        await self._ask_all(1)

    async def _ask_all(self, turn: int) -> None:
        for index, hook in enumerate(self._hooks):
            shown = await match_of(hook, self._attributes)
            if shown is None or (turn and hook.uid not in self._to_ask):
                continue
            place = f"round_{turn}_index_{index}"
            changed = False
            try:
                changed = await self._change(hook, await call(hook, self._attributes, shown), shown)
            except CallingFailed as error:
                if not hook.fails_open:
                    raise error.refusal(hook) from None
                fail_open(hook, error)
                self._annotate(f"failed-open.{_MADE}/{place}", hook.webhook.name)
            finally:
                said = {"configuration": hook.configuration, "webhook": hook.webhook.name, "mutated": changed}
                self._annotate(f"{_MADE}/{place}", orjson.dumps(said).decode())
            if changed:
                self.made = True
                self._to_ask |= self._asked
                self._asked.clear()
            if isinstance(hook.webhook, MutatingWebhook) and hook.webhook.reinvocationPolicy == "IfNeeded":
                self._asked.add(hook.uid)
        self._left = self._attributes.object()

    def _annotate(self, name: str, value: str) -> None:
        self._attributes.request.audit_annotations[name] = value

    async def _change(self, hook: Hook, response: AdmissionResponse, shown: Match) -> bool:
        """Apply the webhook's patch.  Returns whether it changes anything.

        Raises CallingFailed for what is no patch, InternalError for one that does not fit the object.
        """
        operations = _operations(response)
        if not operations:
            return False
        document = self._attributes.object(shown.kind)
        if document is None:
            raise internal_error(
                f"admission webhook {quoted(hook.webhook.name)} attempted to modify the object, which is not supported "
                "for this operation"
            )
        if response.patchType != "JSONPatch":
            raise CallingFailed(f"unsupported patch type {quoted(response.patchType or '')}")
        try:
            changed = json_patch.apply(orjson.loads(orjson.dumps(document)), operations)
        except json_patch.CannotApply as error:
            raise internal_error(error.why) from None
        except RequestEntityTooLarge as error:
            raise internal_error(error.message) from None
        return await self._attributes.replace_shown(changed, shown.kind)


def _operations(response: AdmissionResponse) -> list[Any]:
    """Raises CallingFailed."""
    if not response.patch:
        return []
    patch = patch_of(response)
    try:
        operations = orjson.loads(patch)
    except orjson.JSONDecodeError:
        raise CallingFailed(f"{_UNDECODABLE}: {syntax_error(patch)}") from None
    if operations is None:
        return []
    if not isinstance(operations, list):
        raise CallingFailed(f"{_UNDECODABLE}: {_GO.format(kind_of(operations), 'Patch')}")
    strange = next((each for each in operations if not isinstance(each, dict)), None)
    if strange is not None:
        raise CallingFailed(f"{_UNDECODABLE}: {_GO.format(kind_of(strange), 'Operation')}")
    return operations
