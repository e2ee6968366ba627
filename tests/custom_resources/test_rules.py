"""Rules in CEL, on a server: most of what they say is in `tests/cel`."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api.apiextensions_v1 import JSONSchemaProps
from apiserver.patience import TakesLong, done, may_take_long
from apiserver.registry.schema_rules import begin_to_compile
from tests.apiserver.conftest import ApiServer
from tests.custom_resources.conftest import MERGE, Custom, until, version


def with_rules(spec: dict[str, Any], *rules: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": spec, "x-kubernetes-validations": list(rules)}},
    }
    return version(schema={"openAPIV3Schema": schema})


def test_rules_hold_at_every_write(custom: Custom) -> None:
    custom.define(
        with_rules(
            {"least": {"type": "integer"}, "most": {"type": "integer"}},
            {"rule": "self.least <= self.most", "messageExpression": "'at least %d'.format([self.least])"},
            {"rule": "self.most >= oldSelf.most", "message": "most cannot shrink"},
        )
    )
    custom.create("a", spec={"least": 1, "most": 2})
    answer = custom.client.post(custom.path(), json=custom.widget("b", spec={"least": 3, "most": 2}))
    assert answer.status_code == 422
    assert answer.json()["message"].endswith('"b" is invalid: spec: Invalid value: at least 3')
    shrunk = custom.client.patch(custom.path("a"), json={"spec": {"most": 1}}, headers=MERGE)
    assert shrunk.status_code == 422
    assert "most cannot shrink" in shrunk.json()["message"]
    assert custom.client.patch(custom.path("a"), json={"spec": {"most": 5}}, headers=MERGE).status_code == 200


def test_what_was_broken_before_may_stay(custom: Custom) -> None:
    loose = {"a": {"type": "integer"}, "b": {"type": "integer"}}
    custom.define(with_rules(loose))
    custom.create("x", spec={"a": 1, "b": 1})
    strict = {**loose, "a": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 5"}]}}
    schema = with_rules(strict)["schema"]
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{custom.name}"
    document = custom.client.get(path).json()
    document["spec"]["versions"][0]["schema"] = schema
    assert custom.client.put(path, json=document).status_code == 200
    change, trial = {"spec": {"b": 2}}, {"dryRun": "All"}
    until(lambda: "Warning" in custom.client.patch(custom.path("x"), json=change, params=trial, headers=MERGE).headers)
    answer = custom.client.patch(custom.path("x"), json=change, headers=MERGE)
    assert answer.status_code == 200
    assert "spec.a: Invalid value: 1: failed rule: self > 5" in answer.headers["Warning"]
    assert custom.client.patch(custom.path("x"), json={"spec": {"a": 2}}, headers=MERGE).status_code == 422


def test_others_are_served_while_rules_take_long(custom: Custom, server: ApiServer) -> None:
    every = "self.numbers.all(x, self.numbers.all(y, x + y >= 0))"
    numbers = {"type": "array", "maxItems": 330, "items": {"type": "integer"}}
    custom.define(with_rules({"numbers": numbers}, *[{"rule": f"{every} || {index} < 0"} for index in range(3)]))
    slow, trial = custom.widget("slow", spec={"numbers": list(range(330))}), {"dryRun": "All"}

    def others_were_served() -> bool:
        """Whether nobody had to wait for half of what the server did."""
        with ThreadPoolExecutor(1) as pool:
            began = server.processor_seconds()
            answer = pool.submit(custom.client.post, custom.path(), json=slow, params=trial)
            waits = []
            while not answer.done():
                asked = server.processor_seconds()
                assert custom.client.get(custom.path()).status_code == 200
                waits.append(server.processor_seconds() - asked)
            took = server.processor_seconds() - began
        assert answer.result().status_code == 201, answer.result().text
        return max(waits, default=took) < took / 2

    until(others_were_served)  # while these clients halt, the server is done with it all


def test_long_rules_are_compiled_while_others_are_served(custom: Custom) -> None:
    rules = [{"rule": f"self.size < 100 || [{','.join(['1'] * 4000)}].size() > {index}"} for index in range(4)]
    custom.define(with_rules({"size": {"type": "integer"}}, *rules))
    custom.create("a", spec={"size": 200})
    assert custom.get("a")["spec"] == {"size": 200}
    long = {"type": "object", "x-kubernetes-validations": [{"rule": "'" + "x" * 30_000 + "' == ''"}]}
    with pytest.raises(TakesLong):
        begin_to_compile(JSONSchemaProps.from_dict(long))


def test_what_takes_long_is_done_again_in_a_thread() -> None:
    where: list[str] = []

    def work() -> int:
        where.append(threading.current_thread().name)
        if not may_take_long():
            raise TakesLong
        return 3

    assert asyncio.run(done(work)) == 3
    assert where[0] == threading.current_thread().name
    assert where[1].startswith("patient")
    assert asyncio.run(done(lambda: 4)) == 4


def test_a_failure_in_the_thread_is_a_failure() -> None:
    def work() -> None:
        if not may_take_long():
            raise TakesLong
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(done(work))
