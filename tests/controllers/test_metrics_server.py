"""metrics.k8s.io: figures of two looks at the kubelets, for front proxies only."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from api.apiregistration_v1 import APIService
from api.clock import ManualClock
from api.core_v1 import Node, Pod, Service
from api.errors import ServiceUnavailable
from apiserver.pki import Authority, KeyPair
from client.rest import RestClient
from controller_manager.metrics_server.answers import Answers
from controller_manager.metrics_server.registration import register
from controller_manager.metrics_server.server import FrontProxies, serving, tls_context
from controller_manager.metrics_server.usage import Amount, Counted, Look, Meter, between
from tests.client.api_double import api_double

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = "/apis/metrics.k8s.io/v1beta1"
POD = ("default", "p")


def look(at: float, nodes: dict[str, tuple[int, int]], pods: dict[Any, dict[str, tuple[int, int]]]) -> Look:
    """At once of all kubelets."""

    def counters(values: dict[str, tuple[int, int]]) -> dict[str, Counted]:
        return {name: Counted(cpu, memory, at) for name, (cpu, memory) in values.items()}

    return Look(NOW, at, counters(nodes), {pod: counters(each) for pod, each in pods.items()})


def test_use_is_the_difference_between_two_looks() -> None:
    before = look(10.0, {"n": (5_000, 1)}, {POD: {"c": (1_000, 1), "d": (900, 1)}, ("default", "q"): {"c": (0, 0)}})
    after = look(12.0, {"n": (4_000, 7)}, {POD: {"c": (5_000, 3), "d": (900, 4)}, ("default", "r"): {"c": (1, 1)}})
    usage = between(before, after)
    assert usage.pods == {POD: {"c": Amount(2_000, 3), "d": Amount(0, 4)}}
    assert usage.nodes == {"n": Amount(0, 7)}  # a container has ended since
    assert usage.window == 2.0


def test_a_kubelet_that_answers_late_is_counted_until_then() -> None:
    before = Look(NOW, 10.0, {}, {POD: {"c": Counted(1_000, 1, 10.0)}})
    after = Look(NOW, 11.0, {}, {POD: {"c": Counted(5_000, 1, 14.0)}})
    assert between(before, after).pods == {POD: {"c": Amount(1_000, 1)}}


def test_a_pod_of_which_a_container_has_just_begun_is_not_told_of() -> None:
    before = look(10.0, {}, {POD: {"c": (1_000, 1), "d": (900, 1)}})
    for second in ({"c": (2_000, 1), "d": (5, 1)}, {"c": (2_000, 1), "d": (900, 1), "e": (1, 1)}):
        assert between(before, look(11.0, {}, {POD: second})).pods == {}


class Kubelets:
    """Stands for the API server's way to kubelets: one second of processor time a second for each pod."""

    def __init__(self, client: RestClient, clock: ManualClock) -> None:
        self._client, self._clock = client, clock
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def get_json(self, path: str) -> Any:
        self.asked.append(path)
        node = path.rpartition("=")[2]
        if node == "lost":
            raise ServiceUnavailable("it does not answer")
        stats = {
            "cpu": {"usageCoreNanoSeconds": int(self._clock.monotonic() * 1e9)},
            "memory": {"workingSetBytes": 2**20},
        }
        pod = {"podRef": {"namespace": "default", "name": f"on-{node}"}, "containers": [{"name": "c", **stats}]}
        return {"node": stats, "pods": [pod]}


class Asked:
    """Answers of a cluster with the nodes a and b, which know each a pod, and one that is lost."""

    def __init__(self, answers: Answers, kubelets: Kubelets, clock: ManualClock) -> None:
        self._answers, self.kubelets, self._clock = answers, kubelets, clock

    async def get(self, path: str) -> tuple[int, Any]:
        asking = asyncio.create_task(self._answers.answer("GET", path))
        while not asking.done():
            await asyncio.sleep(0)
            if self._clock.sleepers:
                await self._clock.advance(1)
        code, body = asking.result()
        return code, orjson.loads(body)


@pytest.fixture
async def asked() -> AsyncIterator[Asked]:
    clock = ManualClock(NOW)
    async with api_double() as server, RestClient(server.config, clock=clock) as client:
        for name in ("a", "b", "lost"):
            await client.create(Node.from_dict({"metadata": {"name": name, "labels": {"zone": name}}}))
            metadata = {"name": f"on-{name}", "namespace": "default", "labels": {"app": name}}
            await client.create(Pod.from_dict({"metadata": metadata}))
        kubelets = Kubelets(client, clock)
        yield Asked(Answers(client, Meter(kubelets, clock)), kubelets, clock)  # type: ignore[arg-type]


async def test_pods_and_nodes(asked: Asked) -> None:
    code, found = await asked.get(f"{ROOT}/namespaces/default/pods")
    assert (code, found["kind"], found["apiVersion"]) == (200, "PodMetricsList", "metrics.k8s.io/v1beta1")
    assert found["items"][0] == {
        "metadata": {
            "name": "on-a", "namespace": "default", "creationTimestamp": "2026-01-01T00:00:01Z", "labels": {"app": "a"},
        },
        "timestamp": "2026-01-01T00:00:01Z",
        "window": "1.000s",
        "containers": [{"name": "c", "usage": {"cpu": "1000000000n", "memory": "1024Ki"}}],
    }  # fmt: skip
    assert [item["metadata"]["name"] for item in found["items"]] == ["on-a", "on-b"]
    assert len(asked.kubelets.asked) == 6
    code, found = await asked.get(f"{ROOT}/nodes/a")
    assert (found["kind"], found["usage"]) == ("NodeMetrics", {"cpu": "1000000000n", "memory": "1024Ki"})
    code, found = await asked.get(f"{ROOT}/nodes")
    assert [item["metadata"]["name"] for item in found["items"]] == ["a", "b"]
    assert len(asked.kubelets.asked) == 6  # the figures are good for a while


async def test_what_is_not_there(asked: Asked) -> None:
    for path, message in (
        (f"{ROOT}/nodes/lost", 'nodemetrics.metrics.k8s.io "lost" not found'),
        (f"{ROOT}/namespaces/default/pods/on-lost", 'podmetrics.metrics.k8s.io "default/on-lost" not found'),
        (f"{ROOT}/namespaces/default/pods/none", 'pods "none" not found'),
        ("/apis/metrics.k8s.io/v1", "the server could not find the requested resource"),
    ):
        code, found = await asked.get(path)
        assert (code, found["kind"], found["message"]) == (404, "Status", message)
    code, found = await asked.get(f"{ROOT}/pods?watch=1")
    assert code == 400


async def test_says_what_it_serves(asked: Asked) -> None:
    _, found = await asked.get(ROOT)
    kinds = {each["name"]: (each["kind"], each["namespaced"]) for each in found["resources"]}
    assert kinds == {"nodes": ("NodeMetrics", False), "pods": ("PodMetrics", True)}
    _, found = await asked.get("/apis")
    assert found["groups"][0]["preferredVersion"]["groupVersion"] == "metrics.k8s.io/v1beta1"


async def test_registers_with_the_api_server_but_leaves_somebody_elses_alone() -> None:
    async with api_double() as server, RestClient(server.config) as client:
        await register(client, 1000)
        await register(client, 2000)
        found = await client.get(APIService, "v1beta1.metrics.k8s.io")
        assert found.spec.service is not None
        assert found.spec.service.port == 2000
        assert (await client.get(Service, "metrics-server", "kube-system")).spec.externalName == "localhost"
        await client.patch(APIService, "v1beta1.metrics.k8s.io", "", {"metadata": {"labels": {"k8s-app": "mine"}}})
        await register(client, 3000)
        found = await client.get(APIService, "v1beta1.metrics.k8s.io")
        assert found.spec.service is not None
        assert found.spec.service.port == 2000


async def test_only_front_proxies_are_served(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "a"), Authority(tmp_path / "b")
    shown = other.issue("serving", "serving", [], ["localhost"], client=False)
    proxies = FrontProxies(authority.ca_pem.decode(), frozenset({"proxy"}))

    async def answer(method: str, target: str) -> tuple[int, bytes]:
        return 200, b'{"target":"%s"}' % target.encode()

    def client(pair: KeyPair) -> httpx.AsyncClient:
        context = ssl.create_default_context(cadata=other.ca_pem.decode())
        context.load_cert_chain(pair.certificate, pair.key)
        return httpx.AsyncClient(base_url=f"https://localhost:{port}", verify=context, trust_env=False, timeout=60)

    context = tls_context(shown.certificate, shown.key, proxies)
    async with serving(answer, proxies, context, "127.0.0.1", 0) as port:
        async with client(authority.issue("proxy", "proxy")) as proxy:
            for path in ("/one", "/two"):
                assert (await proxy.get(path)).json() == {"target": path}
        async with client(authority.issue("somebody", "somebody")) as somebody:
            assert (await somebody.get("/")).status_code == 403
        async with client(other.issue("proxy", "proxy")) as stranger:
            with pytest.raises(httpx.HTTPError):
                await stranger.get("/")
