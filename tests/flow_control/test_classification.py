"""Which schema a request belongs to, and that changes of the configuration hold at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from apiserver.filters.request_info import parse
from apiserver.flow_control.classification import matches
from apiserver.flow_control.controller import FlowController
from apiserver.flow_control.turns import Turns
from apiserver.request import User
from apiserver.storage.memory import MemoryStore
from apiserver.storage.watch_cache import WatchCache
from tests.flow_control.levels import Clock, Loop, queueing

ALICE = User("alice", groups=("system:authenticated",))
ADMIN = User("admin", groups=("system:masters", "system:authenticated"))
NODE = User("system:node:a", groups=("system:nodes", "system:authenticated"))
CONTROLLER = User("system:serviceaccount:kube-system:x", groups=("system:serviceaccounts", "system:authenticated"))
ACCOUNT = User("system:serviceaccount:team:x", groups=("system:serviceaccounts", "system:authenticated"))
PODS = "/api/v1/namespaces/team/pods"
SCHEMAS, LEVELS = (
    f"/{plural}.flowcontrol.apiserver.k8s.io/" for plural in ("flowschemas", "prioritylevelconfigurations")
)


@pytest.fixture
async def cache() -> AsyncIterator[WatchCache]:
    store = MemoryStore()
    await store.open()
    cache = WatchCache(store)
    await cache.start()
    yield cache
    await cache.stop()
    await store.close()


@pytest.fixture
def controller(cache: WatchCache) -> FlowController:
    return FlowController(cache, 600, Clock(), Turns(Loop().call_soon, None))


def placed(controller: FlowController, user: User, method: str, path: str) -> tuple[str, str, str]:
    found = controller.classify(user, parse(method, path, {}))
    return found.schema, found.level.name, found.distinguisher


@pytest.mark.parametrize(
    ("user", "method", "path", "expected"),
    [
        (ADMIN, "GET", PODS, ("exempt", "exempt", "")),
        (ALICE, "GET", PODS, ("global-default", "global-default", "alice")),
        (ALICE, "GET", "/healthz", ("probes", "exempt", "")),
        (ALICE, "GET", "/readyz/etcd", ("probes", "exempt", "")),
        (ALICE, "GET", "/healthzz", ("global-default", "global-default", "alice")),
        (NODE, "PATCH", "/api/v1/nodes/a/status", ("system-node-high", "node-high", "system:node:a")),
        (NODE, "GET", PODS, ("system-nodes", "system", "system:node:a")),
        (CONTROLLER, "GET", PODS, ("kube-system-service-accounts", "workload-high", "team")),
        (CONTROLLER, "PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x",
         ("system-leader-election", "leader-election", CONTROLLER.name)),
        (ACCOUNT, "GET", PODS, ("service-accounts", "workload-low", ACCOUNT.name)),
        (User("nobody"), "GET", PODS, ("catch-all", "catch-all", "nobody")),
    ],
)  # fmt: skip
async def test_requests_belong_to_the_built_in_schemas(
    controller: FlowController, user: User, method: str, path: str, expected: tuple[str, str, str]
) -> None:
    assert placed(controller, user, method, path) == expected
    assert placed(controller, user, method, path) == expected  # remembered


def rule(**changes: Any) -> dict[str, Any]:
    resources = {"verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments"], "namespaces": ["a"], **changes}
    return {"rules": [{"subjects": [{"kind": "Group", "group": {"name": "*"}}], "resourceRules": [resources]}]}


@pytest.mark.parametrize(
    ("path", "changes", "expected"),
    [
        ("/apis/apps/v1/namespaces/a/deployments/x", {}, True),
        ("/apis/apps/v1/namespaces/b/deployments/x", {}, False),
        ("/apis/apps/v1/namespaces/b/deployments/x", {"namespaces": ["*"]}, True),
        ("/apis/apps/v1/namespaces/a/deployments/x/scale", {}, False),
        ("/apis/apps/v1/namespaces/a/deployments/x/scale", {"resources": ["deployments/scale"]}, True),
        ("/apis/apps/v1/namespaces/a/deployments/x/scale", {"resources": ["*"]}, True),
        ("/apis/batch/v1/namespaces/a/deployments/x", {}, False),
        ("/apis/apps/v1/deployments", {"verbs": ["list"], "namespaces": ["*"]}, False),
        ("/apis/apps/v1/deployments", {"verbs": ["list"], "namespaces": ["*"], "clusterScope": True}, True),
        ("/version", {"verbs": ["*"], "clusterScope": True}, False),
    ],
)
def test_a_resource_rule_means_what_it_says(path: str, changes: dict[str, Any], expected: bool) -> None:
    assert matches(rule(**changes), ALICE, parse("GET", path, {})) is expected


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ({"kind": "User", "user": {"name": ACCOUNT.name}}, True),
        ({"kind": "User", "user": {"name": "*"}}, True),
        ({"kind": "User", "user": {"name": "x"}}, False),
        ({"kind": "ServiceAccount", "serviceAccount": {"namespace": "team", "name": "x"}}, True),
        ({"kind": "ServiceAccount", "serviceAccount": {"namespace": "team", "name": "*"}}, True),
        ({"kind": "ServiceAccount", "serviceAccount": {"namespace": "tea", "name": "*"}}, False),
        ({"kind": "Group", "group": {"name": "system:serviceaccounts"}}, True),
        ({"kind": "Group", "group": {"name": "system:nodes"}}, False),
    ],
)
def test_a_subject_means_whom_it_says(subject: dict[str, Any], expected: bool) -> None:
    rules = {"subjects": [subject], "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/version"]}]}
    assert matches({"rules": [rules]}, ACCOUNT, parse("GET", "/version", {})) is expected


async def put(cache: WatchCache, key: str, spec: dict[str, Any]) -> None:
    document = {"metadata": {"name": key.rpartition("/")[2], "uid": f"uid-of-{key}"}, "spec": spec}
    entry = cache.get(key)
    if entry is None:
        await cache.create(key, orjson.dumps(document))
    else:
        await cache.update(key, orjson.dumps(document), entry.revision)


def schema(level: str, precedence: int) -> dict[str, Any]:
    subjects = [{"kind": "User", "user": {"name": "alice"}}]
    rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}]
    return {
        "priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence,
        "rules": [{"subjects": subjects, "resourceRules": rules}],
    }  # fmt: skip


async def test_changes_hold_from_the_next_request_on(cache: WatchCache, controller: FlowController) -> None:
    assert placed(controller, ALICE, "GET", PODS)[0] == "global-default"
    await put(cache, SCHEMAS + "mine", schema("own", 50))
    assert placed(controller, ALICE, "GET", PODS)[0] == "catch-all"  # its level is not there yet
    level = queueing(queues=3, hand_size=1)
    level["limited"]["nominalConcurrencyShares"] = 5
    await put(cache, LEVELS + "own", level)
    assert placed(controller, ALICE, "GET", PODS) == ("mine", "own", "")
    found = controller.classify(ALICE, parse("GET", PODS, {}))
    assert found.headers == [
        (b"x-kubernetes-pf-flowschema-uid", f"uid-of-{SCHEMAS}mine".encode()),
        (b"x-kubernetes-pf-prioritylevel-uid", f"uid-of-{LEVELS}own".encode()),
    ]
    assert (len(found.level.queues), found.level.limits.nominal) == (3, 300)
    await put(cache, SCHEMAS + "other", schema("own", 49))
    assert placed(controller, ALICE, "GET", PODS)[0] == "other"
    await put(cache, SCHEMAS + "before", schema("own", 49))
    assert placed(controller, ALICE, "GET", PODS)[0] == "before"  # of equals the first by name


async def test_a_level_that_goes_serves_out_what_it_has(cache: WatchCache, controller: FlowController) -> None:
    level = queueing()
    level["limited"]["nominalConcurrencyShares"] = 5
    await put(cache, LEVELS + "own", level)
    await put(cache, SCHEMAS + "mine", schema("own", 50))
    own = controller.classify(ALICE, parse("GET", PODS, {})).level
    ticket = own.arrive(controller.classify(ALICE, parse("GET", PODS, {})), 1)
    entry = cache.get(LEVELS + "own")
    assert entry is not None
    await cache.delete(entry.key, None, entry.revision)
    assert placed(controller, ALICE, "GET", PODS)[0] == "catch-all"
    assert own.quiescing
    own.leave(ticket)
    controller.configure()
    assert "own" not in controller.levels


async def test_seats_move_to_where_they_are_wanted(controller: FlowController) -> None:
    found = controller.classify(ALICE, parse("GET", PODS, {}))
    level = found.level
    tickets = [level.arrive(found, 1) for _ in range(120)]
    assert (level.executing, level.waiting) == (49, 71)
    clock = controller._now
    assert isinstance(clock, Clock)
    clock.seconds += 10
    controller.adjust(10.0)
    assert level.waiting == 0
    for ticket in tickets:
        level.leave(ticket)
    for _ in range(300):
        clock.seconds += 10
        controller.adjust(10.0)
    assert sum(each.seats for each in controller.levels.values()) == pytest.approx(602, abs=3)
    assert level.seats >= level.limits.lower


async def test_what_clients_make_up_is_not_remembered_without_end(controller: FlowController) -> None:
    for number in range(20):
        placed(controller, ALICE, "GET", f"/api/v1/namespaces/{number}{'x' * 100_000}/pods")
        placed(controller, ALICE, "GET", f"/{number}{'x' * 100_000}")
    assert not controller._classified
    for number in range(10_050):
        placed(controller, ALICE, "GET", f"/{number}")
    assert len(controller._classified) <= 10_000
