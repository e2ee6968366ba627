"""Operators on kopf: handlers, finalizers, retries, progress kept in the object, admission, a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from apiserver.pki import Authority
from tests.client.waiting import eventually
from tests.ecosystem import custom_operators, operators, webhook_operators
from tests.ecosystem.objects import config_map, deployment

HANDLED = "kopf.zalando.org/last-handled-configuration"
SECONDS = 120.0


@pytest.fixture(params=["annotations", "both"])
def progress(request: pytest.FixtureRequest) -> str:
    """Where the operator keeps what it has done."""
    return str(request.param)


@contextlib.contextmanager
def running(module: ModuleType, kubeconfig: Path, namespace: str, log: Path, **environment: str) -> Iterator[None]:
    """An operator that has nothing to complain of."""
    assert module.__file__ is not None
    command = [sys.executable, "-m", "kopf", "run", "--namespace", namespace, "--standalone", module.__file__]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, "KUBECONFIG": str(kubeconfig), **environment}, stdout=output, stderr=output
        )
    try:
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in log.read_text()


@pytest.fixture
def operator(kubeconfig: Path, namespace: str, progress: str, tmp_path: Path) -> Iterator[None]:
    with running(operators, kubeconfig, namespace, tmp_path / "kopf.log", KOPF_PROGRESS=progress):
        yield


@pytest.fixture
def guard(admin: httpx.Client, kubeconfig: Path, namespace: str, tmp_path: Path) -> Iterator[None]:
    """An operator with webhooks, which are there."""
    certificates = tmp_path / "certificates"
    Authority(certificates).issue("webhook", "webhook", hosts=["127.0.0.1"], client=False)
    name = f"guard-{namespace}.example.com"
    root = "/apis/admissionregistration.k8s.io/v1"
    paths = [f"{root}/{kind}webhookconfigurations/{name}" for kind in ("mutating", "validating")]

    def configured() -> bool:
        return all(admin.get(path).json().get("webhooks") for path in paths)

    with running(
        webhook_operators, kubeconfig, namespace, tmp_path / "kopf.log",
        KOPF_CERTIFICATES=str(certificates), KOPF_CONFIGURATION=name,
    ):  # fmt: skip
        asyncio.run(eventually(configured, "the webhooks are configured", SECONDS))
        yield
    for path in paths:
        assert not admin.get(path).json().get("webhooks"), "it has taken them back"
        admin.delete(path).raise_for_status()


@pytest.fixture
def ovens(admin: httpx.Client, kubeconfig: Path, namespace: str, tmp_path: Path) -> Iterator[Objects]:
    """A kind of the operator's own, and the operator."""
    group = f"{namespace}.example.com"
    spec = {"type": "object", "required": ["heat"], "properties": {"heat": {"type": "integer", "maximum": 300}}}
    status = {"type": "object", "properties": {"phase": {"type": "string"}}}
    schema = {"type": "object", "properties": {"spec": spec, "status": status}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "ovens", "kind": "Oven"}
    defined = {
        "group": group,
        "scope": "Namespaced",
        "names": names,
        "versions": [{**version, "subresources": {"status": {}}}],
    }
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    name = f"ovens.{group}"
    admin.post(definitions, json={"metadata": {"name": name}, "spec": defined}).raise_for_status()
    path = f"/apis/{group}/v1/namespaces/{namespace}/ovens"
    asyncio.run(eventually(lambda: admin.get(path).status_code == 200, "the kind is served", SECONDS))
    with running(custom_operators, kubeconfig, namespace, tmp_path / "kopf.log", KOPF_GROUP=group):
        yield Objects(admin, path)
    admin.delete(f"{definitions}/{name}").raise_for_status()
    # Clients of the next tests that go through all groups would else find one which is gone when they ask for it.
    asyncio.run(eventually(lambda: admin.get(f"/apis/{group}").status_code == 404, "the kind is gone", SECONDS))


class Objects:
    """One resource of the test's namespace, as the administrator sees it."""

    def __init__(self, admin: httpx.Client, path: str) -> None:
        self._admin, self._path = admin, path

    def get(self, name: str) -> dict[str, Any]:
        """Empty when there is none."""
        answer = self._admin.get(f"{self._path}/{name}")
        return answer.json() if answer.status_code == 200 else {}

    def data(self, name: str) -> Any:
        return self.get(name).get("data")

    def annotations(self, name: str) -> dict[str, str]:
        found: dict[str, str] = self.get(name)["metadata"].get("annotations", {})
        return found

    def create(self, document: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = self._admin.post(self._path, json=document).raise_for_status().json()
        return made

    def patch(self, name: str, change: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/merge-patch+json"}
        self._admin.patch(f"{self._path}/{name}", json=change, headers=headers).raise_for_status()

    def delete(self, name: str) -> None:
        self._admin.delete(f"{self._path}/{name}").raise_for_status()

    def reasons(self, name: str) -> set[str]:
        """Of the events about that object."""
        path = self._path.rpartition("/")[0]
        listed = self._admin.get(f"{path}/events?fieldSelector=involvedObject.name={name}").json()
        return {event["reason"] for event in listed["items"]}


@pytest.fixture
def maps(admin: httpx.Client, namespace: str) -> Objects:
    return Objects(admin, f"/api/v1/namespaces/{namespace}/configmaps")


@pytest.fixture
def deployments(admin: httpx.Client, namespace: str) -> Objects:
    return Objects(admin, f"/apis/apps/v1/namespaces/{namespace}/deployments")


@pytest.mark.usefixtures("operator")
async def test_an_object_from_its_first_to_its_last_day(maps: Objects) -> None:
    maps.create(config_map("a", {"x": "1"}, labels={"copy": "yes"}))
    await eventually(lambda: maps.data("a-copy") == {"x": "1"}, "the twin is made", SECONDS)
    await eventually(lambda: HANDLED in maps.annotations("a"), "the handler's end is written down", SECONDS)
    assert maps.get("a")["metadata"]["finalizers"] == ["example.com/copied"]
    assert "kopf.zalando.org/made" not in maps.annotations("a"), "done: its progress is forgotten"
    await eventually(lambda: "Copied" in maps.reasons("a"), "the handler's event is posted", SECONDS)

    maps.patch("a", {"data": {"x": "2"}})
    await eventually(lambda: maps.data("a-copy") == {"x": "2"}, "the twin follows", SECONDS)

    maps.delete("a")
    await eventually(lambda: not maps.get("a") and not maps.get("a-copy"), "both are gone", SECONDS)


@pytest.mark.usefixtures("operator")
async def test_objects_of_others(maps: Objects, deployments: Objects) -> None:
    maps.create(config_map("plain"))
    made = deployments.create(deployment("web"))
    await eventually(lambda: maps.data("web-settings") == {"of": "web"}, "the child is made", SECONDS)
    (owner,) = maps.get("web-settings")["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Deployment", made["metadata"]["uid"], True)

    def patched() -> bool:
        live = deployments.get("web")
        return live["metadata"]["labels"].get("seen") == "yes" and live["status"].get("replicas") == 1

    await eventually(patched, "labels and status are patched", SECONDS)
    assert not maps.get("plain-copy")


GUARDED = {"guarded": "yes"}


@pytest.mark.usefixtures("guard")
def test_objects_are_judged_and_changed_on_their_way(admin: httpx.Client, namespace: str, maps: Objects) -> None:
    made = maps.create(config_map("a", {}, labels=GUARDED))
    assert (made["data"], made["metadata"]["labels"]) == ({"size": "small"}, {**GUARDED, "seen": "yes"})
    path = f"/api/v1/namespaces/{namespace}/configmaps"

    refused = admin.post(path, json=config_map("b", {"size": "huge"}, labels=GUARDED))
    assert refused.status_code == 413
    assert refused.json()["message"].endswith("denied the request: too large for admin")
    assert not maps.get("b")

    warned = admin.post(f"{path}?dryRun=All", json=config_map("b", {"size": "large"}, labels=GUARDED))
    assert warned.status_code == 201
    assert "this is rather large" in warned.headers["Warning"]
    assert "only asked" in warned.headers["Warning"]

    headers = {"Content-Type": "application/merge-patch+json"}
    changed = admin.patch(f"{path}/a", json={"data": {"size": "huge"}}, headers=headers)
    assert changed.status_code == 413
    assert maps.data("a") == {"size": "small"}

    maps.patch("a", {"data": {"keep": "yes"}})
    kept = admin.delete(f"{path}/a")
    assert kept.json()["message"].endswith("denied the request: it is to be kept")
    maps.patch("a", {"data": {"keep": "no"}})
    maps.delete("a")
    assert not maps.get("a")

    free = maps.create(config_map("c", {"size": "huge"}))
    assert free["data"] == {"size": "huge"}, "it has no say in others"


async def test_a_kind_of_the_operators_own(ovens: Objects, maps: Objects, namespace: str) -> None:
    oven = {
        "apiVersion": f"{namespace}.example.com/v1",
        "kind": "Oven",
        "metadata": {"name": "a"},
        "spec": {"heat": 200},
    }
    ovens.create(oven)
    await eventually(lambda: maps.data("a-settings") == {"heat": "200"}, "its settings are there", SECONDS)
    await eventually(lambda: ovens.get("a").get("status") == {"phase": "Hot"}, "its status is written", SECONDS)
    [owner] = maps.get("a-settings")["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Oven", ovens.get("a")["metadata"]["uid"])

    ovens.patch("a", {"spec": {"heat": 250}})
    await eventually(lambda: maps.data("a-settings") == {"heat": "250"}, "its settings follow", SECONDS)
    await eventually(lambda: ovens.get("a").get("status") == {"phase": "Hotter"}, "its status follows", SECONDS)

    ovens.delete("a")
    await eventually(lambda: not ovens.get("a"), "it goes when the operator is done", SECONDS)
    assert not maps.get("a-settings")
