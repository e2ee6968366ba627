"""Definitions come, are changed and go; what they define with them."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from tests.apiserver.conftest import ApiServer, Watch
from tests.custom_resources.conftest import (
    DEFINITIONS,
    JSON_PATCH,
    MERGE,
    Custom,
    definition,
    holds,
    on,
    until,
    version,
)

DISCOVERY = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}


def test_an_established_definition_is_served(custom: Custom) -> None:
    assert custom.client.get(custom.path()).text == "404 page not found\n"
    defined = custom.define()
    assert custom.client.get(custom.path()).status_code == 200
    assert holds(defined, "NamesAccepted") == "True"
    assert defined["status"]["acceptedNames"] == {
        "plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"
    }  # fmt: skip
    assert defined["status"]["storedVersions"] == ["v1"]
    assert custom.client.get(f"/apis/{custom.group}/v1/gadgets").text == "404 page not found\n"


def test_two_definitions_cannot_have_one_kind(custom: Custom) -> None:
    custom.define()
    names = {"plural": "gadgets", "kind": "Widget"}
    second = definition(custom.group, names=names)
    assert custom.client.post(DEFINITIONS, json=second).status_code == 201
    path = f"{DEFINITIONS}/{second['metadata']['name']}"
    refused = until(lambda: d if holds(d := custom.client.get(path).json(), "NamesAccepted") == "False" else None)
    [condition] = [c for c in refused["status"]["conditions"] if c["type"] == "NamesAccepted"]
    assert (condition["reason"], condition["message"]) == ("ListKindConflict", '"WidgetList" is already in use')
    custom.client.delete(f"{DEFINITIONS}/{custom.name}")
    until(lambda: holds(custom.client.get(path).json(), "Established") == "True")
    assert custom.client.delete(path).status_code == 200


def test_deleting_a_definition_deletes_its_objects_first(custom: Custom) -> None:
    custom.define()
    custom.create("free")
    custom.create("held", metadata={"name": "held", "finalizers": ["example.com/hold"]})
    gone = custom.client.delete(f"{DEFINITIONS}/{custom.name}").json()
    assert gone["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    until(lambda: custom.client.get(custom.path("free")).status_code == 404)
    late = custom.client.post(custom.path(), json=custom.widget("late"))
    assert late.status_code == 403
    assert "create not allowed while custom resource definition is terminating" in late.json()["message"]
    custom.client.patch(custom.path("held"), json={"metadata": {"finalizers": None}}, headers=MERGE)
    until(lambda: custom.client.get(f"{DEFINITIONS}/{custom.name}").status_code == 404)
    until(lambda: custom.client.get(custom.path()).status_code == 404)


def test_watchers_begin_anew_when_the_schema_changes(custom: Custom) -> None:
    custom.define()
    watch = Watch(custom.client, custom.path())
    change = [{"op": "add", "path": "/spec/names/shortNames", "value": ["wd"]}]
    try:
        custom.client.patch(f"{DEFINITIONS}/{custom.name}", json=change, headers=JSON_PATCH)
        with pytest.raises(StopIteration):
            watch.next()
    finally:
        watch.close()


def test_discovery_follows(custom: Custom) -> None:
    custom.define(
        version("v1beta1", storage=False),
        version("v1", subresources={"status": {}}),
        version("v2alpha1", storage=False),
    )
    group = custom.client.get(f"/apis/{custom.group}").json()
    assert [each["version"] for each in group["versions"]] == ["v1", "v1beta1", "v2alpha1"]
    resources = custom.client.get(f"/apis/{custom.group}/v1").json()["resources"]
    assert [each["name"] for each in resources] == ["widgets", "widgets/status"]
    items = custom.client.get("/apis", headers=DISCOVERY).json()["items"]
    [mine] = [item for item in items if item["metadata"]["name"] == custom.group]
    assert [each["resources"][0]["responseKind"]["kind"] for each in mine["versions"]] == ["Widget"] * 3
    custom.client.delete(f"{DEFINITIONS}/{custom.name}")
    until(lambda: custom.client.get(f"/apis/{custom.group}").status_code == 404)


def test_schemas_are_published_and_taken_back(custom: Custom) -> None:
    custom.define()
    path = f"apis/{custom.group}/v1"
    component = ".".join([*reversed(custom.group.split(".")), "v1", "Widget"])
    assert path in custom.client.get("/openapi/v3").json()["paths"]
    document = custom.client.get(f"/openapi/v3/{path}").json()
    published = document["components"]["schemas"][component]["properties"]["spec"]["properties"]
    assert published["size"] == {"type": "integer", "minimum": 1, "maximum": 10}
    assert component in custom.client.get("/openapi/v2").json()["definitions"]
    custom.client.delete(f"{DEFINITIONS}/{custom.name}")
    until(lambda: custom.client.get(f"/openapi/v3/{path}").status_code == 404)
    assert component not in custom.client.get("/openapi/v2").json()["definitions"]


def test_of_a_kind_that_takes_any_field_kubectl_knows_none(custom: Custom) -> None:
    """ "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD without validation
    schema [Conformance]" """
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"a": {"type": "string"}}}
    custom.define(version(schema={"openAPIV3Schema": schema}))
    component = ".".join([*reversed(custom.group.split(".")), "v1", "Widget"])
    document = custom.client.get(f"/openapi/v3/apis/{custom.group}/v1").json()
    assert "a" in document["components"]["schemas"][component]["properties"]
    assert custom.client.get("/openapi/v2").json()["definitions"][component] == {
        "type": "object",
        "x-kubernetes-group-version-kind": [{"group": custom.group, "kind": "Widget", "version": "v1"}],
    }


def test_group_versions_have_api_services(custom: Custom) -> None:
    custom.define()
    path = f"/apis/apiregistration.k8s.io/v1/apiservices/v1.{custom.group}"
    found = until(lambda: a.json() if (a := custom.client.get(path)).status_code == 200 else None)
    assert found["spec"]["versionPriority"] == 100
    custom.client.delete(f"{DEFINITIONS}/{custom.name}")
    until(lambda: custom.client.get(path).status_code == 404)


def test_roles_and_quotas_speak_of_custom_resources(custom: Custom, server: ApiServer) -> None:
    custom.define()
    core = f"/api/v1/namespaces/{custom.namespace}"
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{custom.namespace}"
    rules = [{"apiGroups": [custom.group], "resources": ["widgets"], "verbs": ["create", "list"]}]
    custom.client.post(f"{rbac}/roles", json={"metadata": {"name": "w"}, "rules": rules})
    binding = {
        "metadata": {"name": "w"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "w"},
        "subjects": [{"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    custom.client.post(f"{rbac}/rolebindings", json=binding)
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {f"count/widgets.{custom.group}": "1"}}}
    custom.client.post(f"{core}/resourcequotas", json=quota)
    status = {"status": {**quota["spec"], "used": {f"count/widgets.{custom.group}": "0"}}}
    custom.client.patch(f"{core}/resourcequotas/q/status", json=status, headers=MERGE)
    with server.client("alicetoken") as alice:
        assert alice.post(custom.path(), json=custom.widget("a")).status_code == 201
        assert alice.get(custom.path("a")).status_code == 403
        beyond = alice.post(custom.path(), json=custom.widget("b"))
    assert beyond.status_code == 403
    assert "exceeded quota: q" in beyond.json()["message"]


def test_everything_is_served_again_after_a_restart(own_server: ApiServer, group: str) -> None:
    with on(own_server, group) as custom:
        custom.define(version(selectableFields=[{"jsonPath": ".spec.color"}]))
        custom.create("a", spec={"color": "green"})
    own_server.kill()
    own_server.start()
    with on(own_server, group) as custom:
        assert custom.get("a")["spec"] == {"color": "green"}
        selected = custom.client.get(custom.path(), params={"fieldSelector": "spec.color=green"}).json()
        assert [item["metadata"]["name"] for item in selected["items"]] == ["a"]
        assert custom.client.delete(f"{DEFINITIONS}/{custom.name}").status_code == 200
        until(lambda: custom.client.get(custom.path()).status_code == 404)


def test_a_deletion_that_was_cut_off_goes_on_after_a_restart(own_server: ApiServer, group: str) -> None:
    with on(own_server, group) as custom:
        custom.define()
        custom.create("held", metadata={"name": "held", "finalizers": ["example.com/hold"]})
        custom.client.delete(f"{DEFINITIONS}/{custom.name}")
        until(lambda: "deletionTimestamp" in custom.get("held")["metadata"])
    own_server.kill()
    own_server.start()
    with on(own_server, group) as custom:
        release = custom.client.patch(custom.path("held"), json={"metadata": {"finalizers": None}}, headers=MERGE)
        assert release.status_code == 200
        until(lambda: custom.client.get(f"{DEFINITIONS}/{custom.name}").status_code == 404)


def test_a_server_without_definitions_loads_nothing_of_this() -> None:
    script = "import sys, apiserver.server; print([m for m in sys.modules if 'custom_resource' in m])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_path_of_another_scope_leads_nowhere(admin: httpx.Client, custom: Custom) -> None:
    custom.define(scope="Cluster")
    assert admin.post(custom.path(), json=custom.widget("a")).text == "404 page not found\n"
    created = admin.post(f"/apis/{custom.group}/v1/widgets", json=custom.widget("a"))
    assert created.status_code == 201
    assert "namespace" not in created.json()["metadata"]


def test_a_watch_sees_the_objects_go_before_their_definition(custom: Custom) -> None:
    custom.define()
    created = custom.create("a")
    watch = Watch(custom.client, custom.path(), resourceVersion=created["metadata"]["resourceVersion"])
    try:
        custom.client.delete(f"{DEFINITIONS}/{custom.name}")
        event = watch.next()
    finally:
        watch.close()
    assert (event["type"], event["object"]["metadata"]["name"]) == ("DELETED", "a")


@pytest.mark.parametrize(
    ("approval", "status", "reason"),
    [
        ("https://github.com/kubernetes/kubernetes/pull/1", "True", "ApprovedAnnotation"),
        ("unapproved, a test", "False", "UnapprovedAnnotation"),
    ],
)
def test_a_group_of_kubernetes_own_tells_who_approved(
    admin: httpx.Client, namespace: str, group: str, approval: str, status: str, reason: str
) -> None:
    custom = Custom(admin, group.replace("example.com", "k8s.io"), namespace)
    body = definition(custom.group)
    assert admin.post(DEFINITIONS, json=body).status_code == 422
    body["metadata"]["annotations"] = {"api-approved.kubernetes.io": approval}
    assert admin.post(DEFINITIONS, json=body).status_code == 201
    document = until(custom.established)
    [condition] = [c for c in document["status"]["conditions"] if c["type"] == "KubernetesAPIApprovalPolicyConformant"]
    assert (condition["status"], condition["reason"]) == (status, reason)
    assert admin.delete(f"{DEFINITIONS}/{custom.name}").status_code == 200


def test_new_names_are_taken_up_and_refused_ones_leave_the_old(custom: Custom) -> None:
    custom.define()
    other = definition(custom.group, names={"plural": "gadgets", "kind": "Gadget", "shortNames": ["gd"]})
    assert custom.client.post(DEFINITIONS, json=other).status_code == 201
    path = f"{DEFINITIONS}/{custom.name}"

    def names(**changed: object) -> None:
        body = {"spec": {"names": changed}}
        assert custom.client.patch(path, json=body, headers=MERGE).status_code == 200

    names(shortNames=["wd"], categories=["all"])
    until(lambda: custom.client.get(path).json()["status"]["acceptedNames"].get("shortNames") == ["wd"])
    names(shortNames=["wd", "gd"])
    refused = until(lambda: d if holds(d := custom.client.get(path).json(), "NamesAccepted") == "False" else None)
    assert refused["status"]["acceptedNames"]["shortNames"] == ["wd"]
    assert holds(refused, "Established") == "True"
    [resource] = custom.client.get(f"/apis/{custom.group}/v1").json()["resources"][:1]
    assert resource["name"] == "gadgets"
    assert custom.client.get(custom.path()).status_code == 200
    assert custom.client.delete(f"{DEFINITIONS}/{other['metadata']['name']}").status_code == 200
    until(lambda: holds(custom.client.get(path).json(), "NamesAccepted") == "True")
