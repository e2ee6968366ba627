"""The webhook that gets events, as lists; a failed call is repeated after a while.

https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/#webhook-backend
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from api.clock import Clock
from apiserver.audit.backend import DeliveryError, Event
from apiserver.webhook_client import CallError, Target, WebhookClient

_TIMEOUT = 30.0
_TRIES = 5
_FACTOR, _JITTER = 1.5, 0.2
_HEAD, _TAIL = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[', b"]}"


class Webhook:
    """`first_pause` is in seconds; each further one is half as long again."""

    def __init__(self, target: Target, client: WebhookClient, clock: Clock, first_pause: float) -> None:
        self._target = target
        self._client = client
        self._clock = clock
        self._first_pause = first_pause
        self._random = random.Random()

    async def deliver(self, events: Sequence[Event]) -> None:
        """Raises DeliveryError when it has been tried often enough, or makes no sense to try again."""
        body = _HEAD + b",".join(event.encoded for event in events) + _TAIL
        pause = self._first_pause
        for attempt in range(1, _TRIES + 1):
            try:
                await self._client.post_json(self._target, body, timeout=_TIMEOUT)
                return
            except CallError as error:
                if attempt == _TRIES or not _may_pass(error):
                    raise DeliveryError(error.message) from None
            await self._clock.sleep(pause * (1 + _JITTER * self._random.random()))
            pause *= _FACTOR


def _may_pass(error: CallError) -> bool:
    """Whether it may go better the next time: nobody has answered, or with too much to do."""
    return error.code in (0, 429) or error.code >= 500
