"""A server with little room: who is turned away, what clients are told, what metrics and tables show."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.apiserver.conftest import ApiServer, Watch
from tests.apiserver.test_metrics import sample
from tests.cluster.support import until

SCHEMAS = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
LEVELS = "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations"
MAPS = "/api/v1/namespaces/default/configmaps"
Keep = Callable[[ApiServer], ApiServer]
BODY = json.dumps({"metadata": {"generateName": "held-"}}).encode()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiServer]:
    running = ApiServer(tmp_path)
    running.start()
    with running.client() as client:
        allow(client, "alice", "bob")
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


def allow(client: httpx.Client, *users: str) -> None:
    subjects = [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"} for user in users]
    binding = {
        "metadata": {"name": "test-users"}, "subjects": subjects,
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"},
    }  # fmt: skip
    path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    assert client.post(path, json=binding).status_code == 201


def place(client: httpx.Client, name: str, limited: dict[str, Any], *users: str) -> None:
    """A level of that name with a schema for the users."""
    spec = {"type": "Limited", "limited": {"lendablePercent": 0, "borrowingLimitPercent": 0, **limited}}
    assert client.post(LEVELS, json={"metadata": {"name": name}, "spec": spec}).status_code == 201
    subjects = [{"kind": "User", "user": {"name": user}} for user in users]
    resources = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
    schema = {
        "priorityLevelConfiguration": {"name": name}, "matchingPrecedence": 60,
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [{"subjects": subjects, "resourceRules": [resources]}],
    }  # fmt: skip
    assert client.post(SCHEMAS, json={"metadata": {"name": name}, "spec": schema}).status_code == 201


class Held:
    """Requests that hold their seats: their bodies are kept back until `release`."""

    def __init__(self, server: ApiServer, token: str, count: int) -> None:
        self._server, self._token, self._count = server, token, count
        self._release = threading.Event()
        self.statuses: list[int] = []
        self._threads = [threading.Thread(target=self._send) for _ in range(count)]

    def __enter__(self) -> Held:
        for thread in self._threads:
            thread.start()
        return self

    def _send(self) -> None:
        def body() -> Iterator[bytes]:
            yield BODY[:10]
            self._release.wait(60)
            yield BODY[10:]

        headers = {"Content-Type": "application/json"}
        with self._server.client(self._token) as client:
            self.statuses.append(client.post(MAPS, content=body(), headers=headers).status_code)

    def release(self) -> None:
        self._release.set()
        for thread in self._threads:
            thread.join()

    def __exit__(self, *_: object) -> None:
        self.release()


def until_running(
    admin: httpx.Client, level: str, count: int, metric: str = "apiserver_flowcontrol_current_executing_seats"
) -> None:
    """Wait until a level has so many."""
    until(lambda: sample(admin, metric, priority_level=level) == count, f"{metric} of {level} is {count}", 60)


def test_where_there_is_no_room_clients_are_told_to_come_back(server: ApiServer) -> None:
    with server.client() as admin, server.client("alicetoken") as alice, server.client("bobtoken") as bob:
        place(admin, "tight", {"nominalConcurrencyShares": 0, "limitResponse": {"type": "Reject"}}, "alice")
        with Held(server, "alicetoken", 1) as held:
            until_running(admin, "tight", 1)
            refused = alice.get(MAPS)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert refused.headers["content-type"] == "text/plain; charset=utf-8"
            assert refused.text == "Too many requests, please try again later.\n"
            uid = admin.get(f"{SCHEMAS}/tight").json()["metadata"]["uid"]
            assert refused.headers["x-kubernetes-pf-flowschema-uid"] == uid
            assert bob.get(MAPS).status_code == 200
            assert admin.get(MAPS).status_code == 200
        assert held.statuses == [201]
        until_running(admin, "tight", 0)
        assert alice.get(MAPS).status_code == 200
        assert sample(admin, "apiserver_flowcontrol_rejected_requests_total", priority_level="tight") == 1
        assert sample(admin, "apiserver_flowcontrol_dispatched_requests_total", flow_schema="tight") == 2


def test_a_change_of_configuration_holds_at_once(server: ApiServer) -> None:
    with server.client() as admin, server.client("alicetoken") as alice:
        place(admin, "tight", {"nominalConcurrencyShares": 0, "limitResponse": {"type": "Reject"}}, "alice")
        with Held(server, "alicetoken", 1):
            until_running(admin, "tight", 1)
            assert alice.get(MAPS).status_code == 429
            merge = {"Content-Type": "application/merge-patch+json"}
            wider = {"spec": {"limited": {"nominalConcurrencyShares": 100}}}
            assert admin.patch(f"{LEVELS}/tight", json=wider, headers=merge).status_code == 200
            assert alice.get(MAPS).status_code == 200


def test_who_waits_is_served_when_there_is_room(server: ApiServer) -> None:
    queuing = {"queues": 8, "handSize": 2, "queueLengthLimit": 10}
    response = {"type": "Queue", "queuing": queuing}
    with server.client() as admin, server.client("bobtoken") as bob:
        place(admin, "narrow", {"nominalConcurrencyShares": 0, "limitResponse": response}, "alice", "bob")
        answered: list[int] = []
        waiting = threading.Thread(target=lambda: answered.append(bob.get(MAPS).status_code))
        with Held(server, "alicetoken", 1) as held:
            until_running(admin, "narrow", 1)
            waiting.start()
            deadline = time.monotonic() + 60
            table = ""
            while "bob" not in table:
                assert time.monotonic() < deadline, table
                table = admin.get("/debug/api_priority_and_fairness/dump_requests?includeRequestDetails=1").text
            rows = [line.split(",") for line in table.splitlines()]
            found = [cell.strip() for cell in rows[-1]]
            assert found[:2] == ["narrow", "narrow"]
            assert found[4] == "bob"
            assert found[9:] == ["bob", "list", MAPS, "default", "", "v1", "configmaps", ""]
            assert "narrow,            1, " in admin.get("/debug/api_priority_and_fairness/dump_priority_levels").text
            assert not answered
            held.release()
            waiting.join(60)
        assert answered == [200]


def test_a_watch_holds_no_seat_once_it_stands(server: ApiServer) -> None:
    with server.client() as admin, server.client("alicetoken") as alice:
        place(admin, "tight", {"nominalConcurrencyShares": 0, "limitResponse": {"type": "Reject"}}, "alice")
        watch = Watch(alice, MAPS)
        assert "x-kubernetes-pf-flowschema-uid" in watch.response.headers
        assert alice.post(MAPS, json={"metadata": {"name": "seen"}}).status_code == 201
        assert any(watch.next()["object"]["metadata"]["name"] == "seen" for _ in range(5))
        until_running(admin, "tight", 0)
        watch.close()


def test_paths_are_classified_too(server: ApiServer) -> None:
    with server.client() as admin, server.client("alicetoken") as alice:
        exempt = admin.get(f"{LEVELS}/exempt").json()["metadata"]["uid"]
        assert alice.get("/readyz").headers["x-kubernetes-pf-prioritylevel-uid"] == exempt
        assert alice.get("/version").headers["x-kubernetes-pf-prioritylevel-uid"] != exempt


def test_without_fairness_requests_are_only_counted(tmp_path: Path, ends_with_test: Keep) -> None:
    flags = ("--enable-priority-and-fairness=false", "--max-requests-inflight=1", "--max-mutating-requests-inflight=1")
    server = ends_with_test(ApiServer(tmp_path, *flags))
    server.start()
    with server.client() as admin, server.client("alicetoken") as alice:
        allow(admin, "alice")
        with Held(server, "alicetoken", 1):
            deadline = time.monotonic() + 60
            while not sample(admin, "apiserver_current_inflight_requests", request_kind="mutating"):
                assert time.monotonic() < deadline
            refused = alice.post(MAPS, json={"metadata": {"generateName": "a-"}})
            assert refused.text == "Too many requests, please try again later.\n"
            assert "x-kubernetes-pf-flowschema-uid" not in refused.headers
            assert alice.get(MAPS).status_code == 200
            assert admin.post(MAPS, json={"metadata": {"generateName": "a-"}}).status_code == 201
        assert alice.post(MAPS, json={"metadata": {"generateName": "a-"}}).status_code == 201
        assert admin.get("/debug/api_priority_and_fairness/dump_queues").status_code == 404
    assert server.stop() == 0


async def test_one_client_with_many_connections_does_not_hold_up_another(server: ApiServer) -> None:
    """The same fairness over the wire: while sixty requests of one user wait, one of another is served among the first.
    In which order they were served their versions tell: answers may overtake each other."""
    trust: ssl.SSLContext = server.trust()
    request = (
        f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n{BODY.decode()}"
    )

    async def connected(token: str) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
        return token, *await asyncio.open_connection("127.0.0.1", server.port, ssl=trust)

    async def answered(token: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, str]:
        writer.write((request % token).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 201 " in head.partition(b"\r\n")[0]
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length is not None
        made = json.loads(await reader.readexactly(int(length[1])))
        return int(made["metadata"]["resourceVersion"]), token

    queuing = {"queues": 64, "handSize": 6, "queueLengthLimit": 250}
    response = {"type": "Queue", "queuing": queuing}
    async with asyncio.timeout(120):
        noisy = [await connected("alicetoken") for _ in range(60)]
        quiet = await connected("bobtoken")
        with server.client() as admin:
            place(admin, "narrow", {"nominalConcurrencyShares": 0, "limitResponse": response}, "alice", "bob")
            # Until all wait: else the first are over before the last comes.  Nobody waits for longer than 15 seconds:
            # more than sixty might not all be served in that time by a machine that is busy.
            with Held(server, "alicetoken", 1) as held:
                await asyncio.to_thread(until_running, admin, "narrow", 1)
                waiting = [asyncio.ensure_future(answered(*each)) for each in (*noisy, quiet)]
                inqueue = "apiserver_flowcontrol_current_inqueue_requests"
                await asyncio.to_thread(until_running, admin, "narrow", 61, inqueue)
                await asyncio.to_thread(held.release)
                served = await asyncio.gather(*waiting)
    for _, _, writer in [*noisy, quiet]:
        writer.close()
        await writer.wait_closed()
    assert [token for _, token in sorted(served)].index("bobtoken") < 25
