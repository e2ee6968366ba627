"""One call of one webhook, and what its answer means for the write."""

from __future__ import annotations

import logging

from api.admission_v1 import AdmissionResponse
from api.admissionregistration_v1 import MutatingWebhook
from api.errors import BadRequest, InternalError, StatusError, internal_error
from api.meta_v1 import Status
from api.quoting import quoted
from apiserver.admission.attributes import Attributes
from apiserver.admission.matching import Match, match
from apiserver.admission.webhooks.configurations import Hook
from apiserver.admission.webhooks.review import BadAnswer, Undecodable, chosen_version, question, read_answer
from apiserver.webhook_client import BadTarget, CallError

log = logging.getLogger(__name__)
_DEFAULT_TIMEOUT = 10  # seconds
_ANSWER = 2
"""How many times as long as a request an answer may be: a patch is encoded, which makes it longer."""
_HARMLESS = ("None", "NoneOnDryRun")


class CallingFailed(Exception):
    """A webhook could not be asked, or gave no answer that can be used."""

    def refusal(self, hook: Hook) -> InternalError:
        """Of a write that does not go on without the webhook."""
        return internal_error(f"failed calling webhook {quoted(hook.webhook.name)}: {self}")


class Denied(StatusError):
    """A webhook has refused the write.  The Status is its own, as far as it is one of a refusal."""

    def __init__(self, name: str, given: Status | None) -> None:
        status = given or Status()
        denied = f"admission webhook {quoted(name)} denied the request"
        because = status.message or status.reason
        message = f"{denied}: {because}" if because else f"{denied} without explanation"
        super().__init__(message, status.details, code=max(status.code, 400))
        self._status = status

    def status(self) -> Status:
        answer = super().status()
        answer.reason = self._status.reason
        if self._status.status not in ("", "Success"):
            answer.status = self._status.status
        return answer


async def match_of(hook: Hook, attributes: Attributes) -> Match | None:
    """As what the webhook is to be shown a write; None when it is not to be asked.  Raises StatusError."""
    shown = match(hook.webhook, hook.webhook.rules, attributes)
    if shown is None:
        return None
    await attributes.show(shown.kind)
    if hook.conditions is None:
        return shown
    from apiserver.admission.match_conditions import holding  # which few webhooks need

    return shown if await holding(hook.conditions, attributes, shown) else None


async def call(hook: Hook, attributes: Attributes, shown: Match) -> AdmissionResponse:
    """The answer of a webhook that has nothing against the write.

    Raises CallingFailed; Denied when it refuses the write, BadRequest when it may not be asked in a dry run.
    """
    webhook, request = hook.webhook, attributes.request
    if request.dry_run and webhook.sideEffects not in _HARMLESS:
        if webhook.sideEffects is None:
            raise CallingFailed("Webhook SideEffects is nil")
        raise BadRequest(f"admission webhook {quoted(webhook.name)} does not support dry run")
    response = await _answer(hook, attributes, shown)
    for key, value in response.auditAnnotations.items():
        request.audit_annotations[f"{webhook.name}/{key}"] = value
    request.warnings += response.warnings
    if not response.allowed:
        raise Denied(webhook.name, response.status)
    return response


async def _answer(hook: Hook, attributes: Attributes, shown: Match) -> AdmissionResponse:
    webhook, api = hook.webhook, attributes.api
    version = chosen_version(webhook.admissionReviewVersions)
    if version is None:
        why = "webhook does not accept known AdmissionReview versions (v1, v1beta1)"
        raise CallingFailed(f"could not create admission objects: {why}")
    uid = api.new_uid()
    body = question(version, uid, attributes, shown)
    try:
        timeout = webhook.timeoutSeconds or _DEFAULT_TIMEOUT
        limit = _ANSWER * api.max_request_bytes
        answer = await api.webhook_client.post_json(hook.target, body, timeout=timeout, limit=limit)
        return read_answer(answer, version, uid, mutating=isinstance(webhook, MutatingWebhook))
    except BadTarget as error:
        raise CallingFailed(f"could not get REST client: {error}") from None
    except (CallError, Undecodable) as error:
        raise CallingFailed(f"failed to call webhook: {error}") from None
    except BadAnswer as error:
        raise CallingFailed(f"received invalid webhook response: {error}") from None


def fail_open(hook: Hook, error: CallingFailed) -> None:
    log.warning("failed calling webhook, failing open %s: %s", hook.webhook.name, error)
