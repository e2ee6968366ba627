"""Events: recorded without waiting, written without flooding."""

from collections.abc import AsyncIterator

import pytest

from api.clock import ManualClock
from api.core_v1 import ConfigMap, Event
from api.errors import Forbidden
from api.meta_v1 import ObjectMeta
from client.events import EventRecorder
from client.rest import RestClient
from tests.client.api_double import ApiDouble
from tests.client.waiting import eventually

ABOUT = ConfigMap(metadata=ObjectMeta(name="a", namespace="default", uid="u", resourceVersion="7"))


@pytest.fixture
async def recorder(client: RestClient) -> AsyncIterator[EventRecorder]:
    made = EventRecorder(client, "tester", ManualClock(), host="here")
    yield made
    await made.close()


async def written(recorder: EventRecorder, client: RestClient) -> list[Event]:
    await recorder.flush()
    return (await client.list(Event)).items


async def test_an_event_says_what_happened_to_what(recorder: EventRecorder, client: RestClient) -> None:
    recorder.event(ABOUT, "Normal", "Tried", "tried it")
    (event,) = await written(recorder, client)
    assert event.metadata.name.startswith("a.")
    assert int(event.metadata.name.removeprefix("a."), 16)
    about = event.involvedObject
    assert (about.apiVersion, about.kind, about.name, about.uid) == ("v1", "ConfigMap", "a", "u")
    assert (event.type, event.reason, event.message, event.count) == ("Normal", "Tried", "tried it", 1)
    assert (event.source.component, event.source.host, event.reportingComponent) == ("tester", "here", "tester")


async def test_a_repeated_event_is_counted(recorder: EventRecorder, client: RestClient) -> None:
    for _ in range(4):
        recorder.event(ABOUT, "Warning", "Failed", "the same")
    (event,) = await written(recorder, client)
    assert event.count == 4


async def test_events_that_differ_only_in_words_become_one(recorder: EventRecorder, client: RestClient) -> None:
    for number in range(15):
        recorder.event(ABOUT, "Warning", "Failed", f"attempt {number}")
    events = await written(recorder, client)
    assert len(events) == 10
    combined = [e for e in events if e.message.startswith("(combined from similar events): ")]
    assert [(e.count, e.message[-10:]) for e in combined] == [(6, "attempt 14")]


async def test_one_object_cannot_flood_the_store(recorder: EventRecorder, client: RestClient) -> None:
    for _ in range(100):
        recorder.event(ABOUT, "Warning", "Failed", "again")
    (event,) = await written(recorder, client)
    assert event.count == 25


async def test_waits_for_a_server_that_is_away_but_nobody_waits_for_it(server: ApiDouble, client: RestClient) -> None:
    clock = ManualClock()
    recorder = EventRecorder(client, "tester", clock)
    await server.stop()
    recorder.event(ABOUT, "Normal", "Tried", "tried it")
    await server.start()
    task = recorder._task
    assert task is not None

    async def done() -> bool:
        await clock.advance(0.1)
        return task.done()

    await eventually(done)
    assert len(await written(recorder, client)) == 1


async def test_refused_events_are_dropped(server: ApiDouble, recorder: EventRecorder, client: RestClient) -> None:
    server.refuse = lambda method, path: Forbidden("no") if method == "POST" else None
    recorder.event(ABOUT, "Normal", "Tried", "tried it")
    assert await written(recorder, client) == []
