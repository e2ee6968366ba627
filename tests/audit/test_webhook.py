"""Events reach a webhook as lists; one that is away is tried again, and one that says no is not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from api.clock import ManualClock
from apiserver.audit.backend import DeliveryError, Event
from apiserver.audit.webhook import Webhook
from apiserver.webhook_client import Target, WebhookClient
from tests.webhook_server import WebhookServer, serving

EVENTS = [Event({"auditID": name}, orjson.dumps({"auditID": name})) for name in ("a", "b")]


async def delivered(server: WebhookServer, clock: ManualClock, *, pauses: int = 0) -> None:
    """Let the webhook be called, and so many pauses pass."""
    client = WebhookClient()
    webhook = Webhook(Target(server.url + "/audit", server.ca_pem), client, clock, 10.0)
    delivering = asyncio.create_task(webhook.deliver(EVENTS))
    try:
        for _ in range(pauses):
            async with asyncio.timeout(60):
                while not clock.sleepers and not delivering.done():  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
            await clock.advance(60)
        async with asyncio.timeout(60):
            await delivering
    finally:
        await client.aclose()


async def test_events_come_as_a_list(tmp_path: Path) -> None:
    with serving(tmp_path, lambda body: {}) as server:
        await delivered(server, ManualClock())
    (asked,) = server.asked
    assert asked.path.startswith("/audit")
    assert asked.body == {
        "kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {},
        "items": [{"auditID": "a"}, {"auditID": "b"}],
    }  # fmt: skip


async def test_a_webhook_that_fails_for_a_while_gets_them_all_the_same(tmp_path: Path) -> None:
    answers: list[Any] = [(503, {}), (429, {}), {}]
    with serving(tmp_path, lambda body: answers.pop(0)) as server:
        await delivered(server, ManualClock(), pauses=2)
    assert len(server.asked) == 3


async def test_in_the_end_it_is_given_up(tmp_path: Path) -> None:
    with serving(tmp_path, lambda body: (500, {})) as server, pytest.raises(DeliveryError):
        await delivered(server, ManualClock(), pauses=4)
    assert len(server.asked) == 5


async def test_a_no_is_final(tmp_path: Path) -> None:
    with serving(tmp_path, lambda body: (400, {})) as server, pytest.raises(DeliveryError):
        await delivered(server, ManualClock())
    assert len(server.asked) == 1
