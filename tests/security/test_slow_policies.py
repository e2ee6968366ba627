"""Policies and conditions that are made to be slow: they are stopped, and everybody else is served meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.admission_policies.conftest import ConfigMaps, Policies, policies
from tests.apiserver.conftest import ApiServer, admin, namespace

__all__ = ["admin", "namespace", "policies"]

MOST_MEMORY = 400 * 1024 * 1024
MOST_SECONDS = 60.0
"""What a write may take in the end."""
SLOW = "object.data.all(a, object.data.all(b, object.data.all(c, (a + b + c).size() > 0)))"
DATA = {f"key-{number}": "x" * 100 for number in range(300)}
COSTS_TOO_MUCH = "operation cancelled: actual cost limit exceeded"
OUT_OF_BUDGET = (
    "denied request: validation failed due to running out of cost budget, no further validation rules will be run"
)
"""Said of many expressions, unless the time that all may take is over before, as on a machine that is busy."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    running = ApiServer(tmp_path_factory.mktemp("apiserver"))
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


@pytest.fixture
def config_maps(server: ApiServer, namespace: str) -> Iterator[ConfigMaps]:
    with server.client() as client:
        client.timeout = httpx.Timeout(MOST_SECONDS)
        yield ConfigMaps(client, namespace)


def others_wait(server: ApiServer, *answers: Future[httpx.Response]) -> bool:
    """Whether others are held up until there are answers: for more than what a request takes, and for most of the
    server's work."""
    began = server.processor_seconds()
    waits = [0.0]
    with server.client() as other:
        while not all(answer.done() for answer in answers):
            asked = server.processor_seconds()
            other.get("/api/v1/namespaces/default").raise_for_status()
            waits.append(server.processor_seconds() - asked)
    return max(waits) > max(2.0, (server.processor_seconds() - began) / 2)


def write(server: ApiServer, config_maps: ConfigMaps, data: dict[str, str]) -> tuple[httpx.Response, bool]:
    """The answer to a write of a ConfigMap, and whether others were held up meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(config_maps.create, data=data)
        held_up = others_wait(server, answer)
    return answer.result(), held_up


@pytest.mark.parametrize("count", [1, 12])
def test_rules(policies: Policies, config_maps: ConfigMaps, server: ApiServer, count: int) -> None:
    policies.validating(*[SLOW] * count)
    answer, held_up = write(server, config_maps, DATA)
    assert answer.status_code == 422
    assert answer.json()["message"].endswith((COSTS_TOO_MUCH, OUT_OF_BUDGET) if count > 1 else COSTS_TOO_MUCH)
    assert not held_up


def test_variables_that_use_each_other(policies: Policies, config_maps: ConfigMaps, server: ApiServer) -> None:
    slow = SLOW.replace("> 0", "> {}")
    variables = [{"name": f"v{number}", "expression": slow.format(number - 100)} for number in range(40)]
    used = " || ".join(f"variables.v{number}" for number in range(40))
    policies.validating(used, variables=variables)
    answer, held_up = write(server, config_maps, DATA)
    assert answer.json()["message"].endswith((COSTS_TOO_MUCH, OUT_OF_BUDGET))
    assert not held_up


def test_conditions_messages_and_changes(policies: Policies, config_maps: ConfigMaps, server: ApiServer) -> None:
    for spec in (
        {"matchConditions": [{"name": "slow", "expression": SLOW}]},
        {"auditAnnotations": [{"key": "slow", "valueExpression": f"string({SLOW})"}]},
    ):
        policies.validating("true", **spec)
        answer, held_up = write(server, config_maps, DATA)
        assert answer.json()["message"].endswith(COSTS_TOO_MUCH)
        assert not held_up
        policies.remove()
    policies.validating({"expression": "false", "message": "no", "messageExpression": f"string({SLOW})"})
    answer, held_up = write(server, config_maps, DATA)
    assert answer.json()["message"].endswith("denied request: no")
    policies.remove()
    policies.mutating(f"Object{{data: {{'slow': string({SLOW})}}}}")
    answer, held_up = write(server, config_maps, DATA)
    assert answer.json()["message"].endswith(COSTS_TOO_MUCH)
    assert not held_up


def copy_all(name: str) -> str:
    return f"JSONPatch{{op: 'copy', from: '/data', path: '/data/{name}'}}"


def memory(server: ApiServer) -> int:
    """Bytes that the server's process had at most."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


@pytest.mark.parametrize(
    "change",
    [
        "Object{data: {'a': object.data.a.replace('x', object.data.a)}}",
        "Object{data: {'a': object.data.a.replace('x', 'xxxxxxxxxxxxxxxx').replace('x', 'xxxxxxxxxxxxxxxx')}}",
        f"[JSONPatch{{op: 'copy', from: '/data/a', path: '/data/b'}}, {', '.join(map(copy_all, 'cdefgh'))}]",
    ],
)
def test_objects_that_grow(policies: Policies, config_maps: ConfigMaps, server: ApiServer, change: str) -> None:
    policies.mutating(change)
    answer, held_up = write(server, config_maps, {"a": "x" * 500_000})
    assert answer.status_code >= 400
    assert not held_up
    assert memory(server) < MOST_MEMORY


def test_everybody_at_once(policies: Policies, config_maps: ConfigMaps, server: ApiServer) -> None:
    policies.validating(SLOW)
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(config_maps.create, f"a{number}", data=DATA) for number in range(4)]
        held_up = others_wait(server, *answers)
    assert {answer.result().status_code for answer in answers} == {422}
    assert not held_up
