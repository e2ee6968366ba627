"""What is no resource: discovery, health, version, schemas."""

from __future__ import annotations

import httpx
import pytest

from apiserver.health import health_of
from apiserver.start_work import NAMES, StartWork
from apiserver.storage.memory import MemoryStore
from apiserver.storage.protocol import StoreError
from apiserver.storage.watch_cache import WatchCache

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"


@pytest.mark.parametrize("path", ["/api", "/apis"])
def test_aggregated_discovery_is_of_version_2_only(admin: httpx.Client, path: str) -> None:
    current = admin.get(path, headers={"Accept": AGGREGATED.format("v2")})
    assert current.json()["apiVersion"] == "apidiscovery.k8s.io/v2"
    either = admin.get(path, headers={"Accept": f"{AGGREGATED.format('v2beta1')},application/json"})
    assert either.json()["kind"] in ("APIVersions", "APIGroupList")
    former = admin.get(path, headers={"Accept": AGGREGATED.format("v2beta1")})
    assert former.status_code == 406
    assert former.json()["message"].startswith("only the following media types are accepted: application/json,")


def test_one_group_is_never_aggregated(admin: httpx.Client) -> None:
    assert admin.get("/apis/apps", headers={"Accept": AGGREGATED.format("v2")}).status_code == 406


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/apis/apps", 200), ("POST", "/apis", 200), ("POST", "/api", 405), ("DELETE", "/api/v1", 405),
     ("PUT", "/apis/apps/v1", 405), ("POST", "/version", 405), ("GET", "/apis/apps/", 200)],
)  # fmt: skip
def test_which_methods_discovery_takes(admin: httpx.Client, method: str, path: str, status: int) -> None:
    assert admin.request(method, path, json={}).status_code == status


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [("/api/v1", "pods", "xPOwRZ+Yhw8="), ("/api/v1", "events", "r2yiGXH7wu8="),
     ("/apis/events.k8s.io/v1", "events", "r2yiGXH7wu8="),
     ("/apis/autoscaling/v1", "horizontalpodautoscalers", "qwQve8ut294="),
     ("/apis/autoscaling/v2", "horizontalpodautoscalers", "qwQve8ut294=")],
)  # fmt: skip
def test_the_hash_of_the_version_that_objects_are_stored_in(
    admin: httpx.Client, path: str, name: str, expected: str
) -> None:
    """As every Kubernetes server has them: clients compare them to see that objects should be written again."""
    resources = admin.get(path).json()["resources"]
    assert [each["storageVersionHash"] for each in resources if each["name"] == name] == [expected]


def test_discovery_in_yaml_has_no_anchors(admin: httpx.Client) -> None:
    answer = admin.get("/apis/apps", headers={"Accept": "application/yaml"})
    version = "groupVersion: apps/v1\n  version: v1\n"
    head = "apiVersion: v1\nkind: APIGroup\nname: apps\n"
    assert answer.text == f"{head}preferredVersion:\n  {version}versions:\n- {version}"


def test_one_check_and_all_of_them(admin: httpx.Client) -> None:
    assert admin.get("/livez/ping").text == "ok"
    assert admin.get("/livez/").status_code == 404
    assert admin.get("/livez/shutdown").status_code == 404
    answer = admin.get("/readyz", params={"verbose": "", "exclude": ["ping", "b", "a"]})
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    lines = answer.text.splitlines()
    assert lines[0] == "[+]ping excluded: ok"
    assert "[+]shutdown ok" in lines
    assert lines[-2:] == [
        'warn: some health checks cannot be excluded: no matches for "a","b"',
        "readyz check passed",
    ]


def test_the_work_of_the_start_is_checked_under_the_names_of_kubernetes(admin: httpx.Client) -> None:
    for endpoint in ("healthz", "livez", "readyz"):
        names = [line[3:-3] for line in admin.get(f"/{endpoint}?verbose").text.splitlines() if line.startswith("[+]")]
        assert [name.removeprefix("poststarthook/") for name in names if "poststarthook" in name] == list(NAMES)
        assert admin.get(f"/{endpoint}/poststarthook/rbac/bootstrap-roles").text == "ok"
    assert "/livez/poststarthook/rbac/bootstrap-roles" in admin.get("/").json()["paths"]


def test_a_piece_of_work_that_fails_fails_its_own_checks_only() -> None:
    work = StartWork()
    health = health_of(WatchCache(MemoryStore()), work, lambda: False)
    assert health.examine("/livez", (), False) == (200, "ok")
    with work.piece("kube-apiserver-autoregistration"):
        raise StoreError("the disk is full")
    status, text = health.examine("/livez", (), False) or (0, "")
    assert status == 500
    assert "[-]poststarthook/kube-apiserver-autoregistration failed: reason withheld\n" in text
    assert "[+]poststarthook/rbac/bootstrap-roles ok\n" in text
    one = health.examine("/livez/poststarthook/kube-apiserver-autoregistration", (), False)
    assert one == (500, "internal server error: the disk is full\n")
    assert health.examine("/livez", ["poststarthook/kube-apiserver-autoregistration"], False) == (200, "ok")


def test_what_checks_come_to_is_counted() -> None:
    work = StartWork()
    health = health_of(WatchCache(MemoryStore()), work, lambda: False)
    assert health.indicators.render() == ""
    health.examine("/livez", ["log"], False)
    work.problems["rbac/bootstrap-roles"] = "the disk is full"
    health.examine("/livez", (), True)
    lines = health.indicators.render().splitlines()
    assert 'kubernetes_healthcheck{name="ping",type="livez"} 1' in lines
    assert 'kubernetes_healthcheck{name="poststarthook/rbac/bootstrap-roles",type="livez"} 0' in lines
    counted = [line for line in lines if line.startswith('kubernetes_healthchecks_total{name="poststarthook/rbac/')]
    assert counted == [
        'kubernetes_healthchecks_total{name="poststarthook/rbac/bootstrap-roles",status="error",type="livez"} 1',
        'kubernetes_healthchecks_total{name="poststarthook/rbac/bootstrap-roles",status="success",type="livez"} 1',
    ]
    assert 'kubernetes_healthchecks_total{name="log",status="success",type="livez"} 1' in lines, "once it was excluded"


def test_indicators_are_served(admin: httpx.Client) -> None:
    admin.get("/readyz")
    answer = admin.get("/metrics/slis")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'kubernetes_healthcheck{name="ping",type="readyz"} 1' in answer.text.splitlines()
    assert "/metrics/slis" in admin.get("/").json()["paths"]


def test_the_index_names_every_path(admin: httpx.Client) -> None:
    paths = admin.get("/").json()["paths"]
    assert {"/api/v1", "/apis/apps/v1", "/readyz/shutdown", "/openapi/v3", "/version"} <= set(paths)
    assert paths == sorted(paths)


def test_schemas_of_nothing(admin: httpx.Client) -> None:
    answer = admin.get("/openapi/v3/apis/no.such.group/v1")
    assert (answer.status_code, answer.content) == (404, b"")
    assert admin.get("/openapi/v3").headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3/api/v1"])
def test_schemas_for_those_who_can_read_them(admin: httpx.Client, path: str) -> None:
    for accept in ("application/json;q=0.1", "*/*", "text/html, application/*", ""):
        assert admin.get(path, headers={"Accept": accept}).status_code == 200
    refused = admin.get(path, headers={"Accept": "text/html, application/yaml"})
    assert (refused.status_code, refused.content, refused.headers["vary"]) == (406, b"", "Accept")


def test_nothing_is_to_be_kept_that_does_not_say_so(admin: httpx.Client) -> None:
    for path in ("/healthz", "/version", "/api", "/nope", "/api/v1/nodes", "/api/v1/nodes/nope"):
        assert admin.get(path).headers.get_list("cache-control") == ["no-cache, private"]
