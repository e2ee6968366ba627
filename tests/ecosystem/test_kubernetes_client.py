"""The official Python client: its typed half and its dynamic one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import kubernetes
import pytest
from kubernetes.client import (
    ApiClient,
    AppsV1Api,
    AuthorizationV1Api,
    CoordinationV1Api,
    CoreV1Api,
    V1ConfigMap,
    V1Container,
    V1Deployment,
    V1DeploymentSpec,
    V1LabelSelector,
    V1Lease,
    V1LeaseSpec,
    V1ObjectMeta,
    V1PodSpec,
    V1PodTemplateSpec,
    V1ResourceAttributes,
    V1SelfSubjectAccessReview,
    V1SelfSubjectAccessReviewSpec,
    V1Service,
    V1ServicePort,
    V1ServiceSpec,
    VersionApi,
)
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError
from kubernetes.leaderelection.leaderelection import LeaderElection

from tests.ecosystem.objects import config_map, deployment


@pytest.fixture
def api(kubeconfig: Path) -> Iterator[ApiClient]:
    with kubernetes.config.new_client_from_config(config_file=str(kubeconfig)) as client:
        yield client


@pytest.fixture
def core(api: ApiClient) -> CoreV1Api:
    return CoreV1Api(api)


def map_named(name: str, **data: str) -> V1ConfigMap:
    return V1ConfigMap(metadata=V1ObjectMeta(name=name, labels={"color": "blue"}), data=data)


def test_create_read_replace_delete(core: CoreV1Api, namespace: str) -> None:
    created = core.create_namespaced_config_map(namespace, map_named("a", x="1"))
    assert created.metadata.uid
    assert created.metadata.creation_timestamp.tzinfo is not None
    created.data["x"] = "2"
    replaced = core.replace_namespaced_config_map("a", namespace, created)
    assert replaced.data == {"x": "2"}
    with pytest.raises(ApiException) as stale:
        core.replace_namespaced_config_map("a", namespace, created)
    assert (stale.value.status, '"reason":"Conflict"' in stale.value.body) == (409, True)
    core.delete_namespaced_config_map("a", namespace)
    with pytest.raises(ApiException) as missing:
        core.read_namespaced_config_map("a", namespace)
    assert missing.value.status == 404


def test_pages_and_selectors(core: CoreV1Api, namespace: str) -> None:
    for number in range(5):
        core.create_namespaced_config_map(namespace, map_named(f"map-{number}"))
    names, token = [], None
    while token != "":
        page = core.list_namespaced_config_map(namespace, limit=2, _continue=token)
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue or ""
    assert names == [f"map-{number}" for number in range(5)]
    selected = core.list_config_map_for_all_namespaces(
        label_selector="color=blue", field_selector=f"metadata.name=map-3,metadata.namespace={namespace}"
    )
    assert [item.metadata.name for item in selected.items] == ["map-3"]
    core.delete_collection_namespaced_config_map(namespace, label_selector="color=blue")
    assert core.list_namespaced_config_map(namespace).items == []


def test_patches(core: CoreV1Api, namespace: str) -> None:
    core.create_namespaced_config_map(namespace, map_named("a", x="1"))
    patched = core.patch_namespaced_config_map("a", namespace, {"data": {"y": "2"}})
    assert patched.data == {"x": "1", "y": "2"}
    patched = core.patch_namespaced_config_map("a", namespace, [{"op": "remove", "path": "/data/x"}])
    assert patched.data == {"y": "2"}
    applied = core.patch_namespaced_config_map(
        "a", namespace, config_map("a", {"z": "3"}), field_manager="test", force=True,
        _content_type="application/apply-patch+yaml",
    )  # fmt: skip
    assert applied.data == {"y": "2", "z": "3"}
    assert {entry.manager for entry in applied.metadata.managed_fields} == {"OpenAPI-Generator", "test"}


def test_deployments_status_and_scale(api: ApiClient, namespace: str) -> None:
    apps, labels = AppsV1Api(api), {"app": "web"}
    pod = V1PodTemplateSpec(
        metadata=V1ObjectMeta(labels=labels), spec=V1PodSpec(containers=[V1Container(name="main", image="nginx")])
    )
    spec = V1DeploymentSpec(replicas=2, selector=V1LabelSelector(match_labels=labels), template=pod)
    made = apps.create_namespaced_deployment(namespace, V1Deployment(metadata=V1ObjectMeta(name="web"), spec=spec))
    assert made.spec.strategy.rolling_update.max_surge == "25%"
    scaled = apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 5}})
    assert scaled.spec.replicas == 5
    status = apps.patch_namespaced_deployment_status("web", namespace, {"status": {"replicas": 3}})
    assert (status.status.replicas, status.spec.replicas) == (3, 5)


def test_services_and_versions(api: ApiClient, core: CoreV1Api, namespace: str) -> None:
    spec = V1ServiceSpec(ports=[V1ServicePort(port=80)], selector={"app": "web"})
    made = core.create_namespaced_service(namespace, V1Service(metadata=V1ObjectMeta(name="web"), spec=spec))
    assert made.spec.cluster_ip.startswith("10.96.")
    assert made.spec.ports[0].target_port == 80
    assert VersionApi(api).get_code().minor == "36"


def test_watch(core: CoreV1Api, namespace: str) -> None:
    watch = kubernetes.watch.Watch()
    seen: list[tuple[str, str]] = []
    core.create_namespaced_config_map(namespace, map_named("a"))
    for event in watch.stream(core.list_namespaced_config_map, namespace, timeout_seconds=60):
        seen.append((event["type"], event["object"].metadata.name))
        match seen[-1]:
            case ("ADDED", "a"):
                core.patch_namespaced_config_map("a", namespace, {"data": {"x": "1"}})
            case ("MODIFIED", "a"):
                core.delete_namespaced_config_map("a", namespace)
            case ("DELETED", "a"):
                watch.stop()
    assert seen == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_a_watch_from_a_version_that_is_gone(core: CoreV1Api, namespace: str) -> None:
    watch = kubernetes.watch.Watch()
    with pytest.raises(ApiException) as future:
        for _ in watch.stream(core.list_namespaced_config_map, namespace, resource_version="x", timeout_seconds=5):
            pass
    assert future.value.status == 400


def test_leases_and_rights(api: ApiClient, namespace: str) -> None:
    leases = CoordinationV1Api(api)
    lease = V1Lease(
        metadata=V1ObjectMeta(name="lock"), spec=V1LeaseSpec(holder_identity="me", lease_duration_seconds=5)
    )
    assert leases.create_namespaced_lease(namespace, lease).spec.holder_identity == "me"
    attributes = V1ResourceAttributes(verb="delete", resource="pods", namespace=namespace)
    review = V1SelfSubjectAccessReview(spec=V1SelfSubjectAccessReviewSpec(resource_attributes=attributes))
    assert AuthorizationV1Api(api).create_self_subject_access_review(review).status.allowed
    assert LeaderElection is not None


@pytest.fixture
def dynamic(api: ApiClient, tmp_path: Path) -> DynamicClient:
    return DynamicClient(api, cache_file=str(tmp_path / "discovery.json"))


def test_dynamic_objects(dynamic: DynamicClient, namespace: str) -> None:
    maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    made = maps.create(body=config_map("a", labels={"x": "y"}), namespace=namespace)
    assert made.data.color == "blue"
    assert [item.metadata.name for item in maps.get(namespace=namespace, label_selector="x=y").items] == ["a"]
    patched = maps.patch(
        name="a", namespace=namespace, body={"data": {"size": "big"}}, content_type="application/merge-patch+json"
    )
    assert patched.data.to_dict() == {"color": "blue", "size": "big"}
    with pytest.raises(ConflictError):
        maps.create(body=config_map("a"), namespace=namespace)
    applied = dynamic.server_side_apply(maps, config_map("b"), "b", namespace, field_manager="dynamic")
    assert applied.metadata.managedFields[0].operation == "Apply"
    maps.delete(name="a", namespace=namespace)
    with pytest.raises(NotFoundError):
        maps.get(name="a", namespace=namespace)


def test_dynamic_discovery_and_subresources(dynamic: DynamicClient, namespace: str) -> None:
    deployments = dynamic.resources.get(api_version="apps/v1", kind="Deployment")
    assert deployments.namespaced
    assert {"scale", "status"} <= set(deployments.subresources)
    deployments.create(body=deployment("web"), namespace=namespace)
    scale = {"metadata": {"name": "web"}, "spec": {"replicas": 4}}
    deployments.scale.patch(body=scale, namespace=namespace, content_type="application/merge-patch+json")
    assert deployments.scale.get(name="web", namespace=namespace).spec.replicas == 4
    found = dynamic.resources.search(api_version="apps/v1", short_names=["deploy"])
    assert "Deployment" in {each.kind for each in found}


def test_dynamic_watch(dynamic: DynamicClient, namespace: str) -> None:
    maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    maps.create(body=config_map("a"), namespace=namespace)
    watch = kubernetes.watch.Watch()
    for event in dynamic.watch(maps, namespace=namespace, timeout=60, watcher=watch):
        if event["type"] == "DELETED":
            watch.stop()
        else:
            assert (event["type"], event["object"].metadata.name) == ("ADDED", "a")
            maps.delete(name="a", namespace=namespace)
    assert event["type"] == "DELETED"
