"""Reviews that webhooks of authentication and authorization fill in: an object goes, its status comes back."""

from __future__ import annotations

from typing import Any

import orjson

from api.clock import Clock
from apiserver.webhook_client import CallError, Target, WebhookClient

_LIMIT = 1024 * 1024  # bytes of an answer
_LATER = 1.0  # seconds between tries
_TRIES = 5


async def review_status(
    calls: WebhookClient, clock: Clock, target: Target, review: dict[str, Any], timeout: float
) -> dict[str, Any]:
    """The status that the webhook gives `review`, which is JSON with kind and apiVersion.

    It is asked again, within `timeout` seconds, where that may help.  Raises CallError.
    """
    body, deadline = orjson.dumps(review), clock.monotonic() + timeout
    for attempt in range(1, _TRIES + 1):
        left = max(deadline - clock.monotonic(), 0.1)
        try:
            return _status_of(await calls.post_json(target, body, timeout=left, limit=_LIMIT), review)
        except CallError as error:
            is_passing = error.code == 429 or error.code >= 500
            if not is_passing or attempt == _TRIES or clock.monotonic() + _LATER >= deadline:
                raise
        await clock.sleep(_LATER)
    raise AssertionError("the last try has raised")


def _status_of(answer: bytes, review: dict[str, Any]) -> dict[str, Any]:
    try:
        document = orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise CallError(f"the webhook's answer is not JSON: {error}") from None
    for member in ("kind", "apiVersion"):
        if not isinstance(document, dict) or document.get(member) != review[member]:
            raise CallError(f"the webhook's answer is no {review['kind']} of {review['apiVersion']}")
    status = document.get("status")
    if not isinstance(status, dict):
        raise CallError("the webhook's answer has no status")
    return status
