"""HTTP extenders: what they are asked and what their answers do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import orjson

from tests.scheduler.world import World, make_node, make_pod

Answer = Callable[[str, dict[str, Any]], Any]


class Service(httpx.AsyncBaseTransport):
    """An extender that answers by a function of verb and request; requests are in order."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.requests = answer, list[tuple[str, dict[str, Any]]]()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        verb, body = request.url.path.rpartition("/")[2], orjson.loads(await request.aread())
        self.requests.append((verb, body))
        answer = self.answer(verb, body)
        return httpx.Response(answer) if isinstance(answer, int) else httpx.Response(200, content=orjson.dumps(answer))


def world(service: Service, **config: Any) -> World:
    extender = {"urlPrefix": "http://extender.example/scheduler", "nodeCacheCapable": True, **config}
    return World(make_node("a"), make_node("b"), config={"extenders": [extender]}, transport=service)


async def test_an_extender_filters() -> None:
    service = Service(lambda verb, body: {"NodeNames": ["b"], "FailedNodes": {"a": "too loud"}})
    assert await world(service, filterVerb="filter").schedule(make_pod("web")) == ["b"]
    ((verb, body),) = service.requests
    assert (verb, sorted(body["NodeNames"]), body["Nodes"]) == ("filter", ["a", "b"], None)
    assert body["Pod"]["metadata"]["name"] == "web"


async def test_an_extender_that_wants_whole_nodes() -> None:
    def answer(verb: str, body: dict[str, Any]) -> Any:
        items = [n for n in body["Nodes"]["items"] if n["metadata"]["name"] == "a"]
        return {"nodes": {"items": items}, "failedAndUnresolvableNodes": {"b": "too far"}}  # Go reads any case

    assert await world(Service(answer), filterVerb="filter", nodeCacheCapable=False).schedule(make_pod()) == ["a"]


async def test_its_reasons_are_those_people_read() -> None:
    service = Service(lambda verb, body: {"NodeNames": [], "FailedNodes": {"a": "too loud", "b": "too loud"}})
    message = await world(service, filterVerb="filter").why(make_pod())
    assert message.startswith("0/2 nodes are available: 2 too loud.")


async def test_an_extender_that_does_not_answer() -> None:
    service = Service(lambda verb, body: 500)
    message = await world(service, filterVerb="filter").why(make_pod())
    assert message == "failed filter with extender at URL http://extender.example/scheduler/filter, code 500"
    assert await world(service, filterVerb="filter", ignorable=True).schedule(make_pod()) != [None]


async def test_an_extender_scores() -> None:
    service = Service(lambda verb, body: [{"Host": "b", "Score": 10}, {"Host": "a", "Score": 1}])
    assert await world(service, prioritizeVerb="prioritize", weight=100).schedule(make_pod()) == ["b"]
    failing = Service(lambda verb, body: 500)  # a wish only
    assert await world(failing, prioritizeVerb="prioritize", weight=1).schedule(make_pod()) != [None]


async def test_an_extender_binds() -> None:
    service = Service(lambda verb, body: {})
    made = world(service, bindVerb="bind")
    pod = make_pod("web")
    assert await made.schedule(pod) == [None]  # not by us
    ((verb, body),) = service.requests
    assert (verb, body["PodName"], body["PodNamespace"], body["PodUID"]) == ("bind", "web", "default", pod.metadata.uid)
    assert made.events[0][1] == "Scheduled"
    refusing = world(Service(lambda verb, body: {"Error": "no"}), bindVerb="bind")
    assert await refusing.why(make_pod()) == "no"


async def test_only_pods_that_ask_for_its_resources_concern_it() -> None:
    service = Service(lambda verb, body: {"NodeNames": ["b"]})
    managed = [{"name": "example.com/fpga", "ignoredByScheduler": True}]
    made = world(service, filterVerb="filter", managedResources=managed)
    assert await made.schedule(make_pod()) != [None]
    assert service.requests == []
    assert await made.schedule(make_pod(requests={"example.com/fpga": "1"})) == ["b"]  # no node offers it


async def test_an_extender_chooses_victims() -> None:
    def answer(verb: str, body: dict[str, Any]) -> Any:
        victims = body["NodeNameToMetaVictims"]
        return {"NodeNameToMetaVictims": {"b": victims["b"]}}

    service = Service(answer)
    made = world(service, preemptVerb="preempt")
    made.add(make_pod("cheap", cpu="4", priority=1, nodeName="a"), make_pod("dear", cpu="4", priority=5, nodeName="b"))
    await made.why(make_pod(cpu="4", priority=10))
    assert made.deleted == ["dear"]
    assert {n: len(v["Pods"]) for n, v in service.requests[0][1]["NodeNameToMetaVictims"].items()} == {"a": 1, "b": 1}
