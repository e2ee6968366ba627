"""What kubectl shows of the server itself, and its long texts: explain, describe, events, auth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.apiserver.conftest import ApiServer
from tests.ecosystem.kubectl import Kubectl, manifest
from tests.ecosystem.objects import config_map, deployment, pod, service


def test_versions(kubectl: Kubectl) -> None:
    version = json.loads(kubectl("version", "-o", "json"))["serverVersion"]
    assert (version["major"], version["minor"]) == ("1", "36")
    assert {"v1", "apps/v1", "coordination.k8s.io/v1"} <= set(kubectl("api-versions").split())


def test_resources(kubectl: Kubectl) -> None:
    lines = [line.split() for line in kubectl("api-resources", "-o", "wide").splitlines()]
    assert lines[0] == ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND", "VERBS", "CATEGORIES"]
    (deployments,) = [line for line in lines if line[0] == "deployments"]
    verbs = "create,delete,deletecollection,get,list,patch,update,watch"
    assert deployments[1:] == ["deploy", "apps/v1", "true", "Deployment", verbs, "all"]
    assert "nodes" in kubectl("api-resources", "--namespaced=false", "-o", "name").split()
    assert "deployments.apps" in kubectl("api-resources", "--api-group", "apps", "-o", "name").split()
    assert "pods" in kubectl("api-resources", "--categories", "all", "-o", "name").split()
    assert "namespaces" not in kubectl("api-resources", "--verbs", "deletecollection", "-o", "name").split()


def test_every_resource_that_can_be_listed(kubectl: Kubectl) -> None:
    names = kubectl("api-resources", "--verbs", "list", "-o", "name").split()
    assert "pods" in names
    kubectl("get", ",".join(names), "-A")
    kubectl("get", ",".join(names), "-A", "-o", "wide")


def test_explain(kubectl: Kubectl) -> None:
    shown = kubectl("explain", "pod.spec.containers.livenessProbe.httpGet")
    assert "KIND:       Pod" in shown
    assert "FIELD: httpGet <HTTPGetAction>" in shown
    assert "port\t<IntOrString> -required-" in shown
    recursive = kubectl("explain", "deployment", "--recursive")
    assert "GROUP:      apps" in recursive
    assert "maxUnavailable\t<IntOrString>" in recursive
    assert "KIND:       Event" in kubectl("explain", "events", "--api-version", "events.k8s.io/v1")
    old = kubectl("explain", "deployment.spec.template.spec.containers", "--output", "plaintext-openapiv2")
    assert "RESOURCE: containers <[]Object>" in old
    assert "livenessProbe\t<Object>" in old
    assert 'field "color" does not exist' in kubectl.refusal("explain", "pod.spec.color")


def test_cluster_info(kubectl: Kubectl) -> None:
    assert "Kubernetes control plane" in kubectl("cluster-info")


def test_cluster_info_dump(kubectl: Kubectl, tmp_path: Path) -> None:
    if missing := {"daemonsets.apps", "replicationcontrollers"} - set(kubectl("api-resources", "-o", "name").split()):
        pytest.skip(f"the server has no {', '.join(sorted(missing))}")
    kubectl("cluster-info", "dump", "--output-directory", str(tmp_path), "--namespaces", kubectl.namespace)
    assert json.loads((tmp_path / "nodes.json").read_text())["kind"] == "NodeList"
    assert (tmp_path / kubectl.namespace / "pods.json").exists()


def test_rights(kubectl: Kubectl, server: ApiServer, home: Path) -> None:
    who = json.loads(kubectl("auth", "whoami", "-o", "json"))["status"]["userInfo"]
    assert who == {"username": "admin", "uid": "admin-uid", "groups": ["system:masters", "system:authenticated"]}
    assert kubectl("auth", "can-i", "create", "pods/eviction") == "yes\n"
    assert "*.*" in kubectl("auth", "can-i", "--list")
    alice = Kubectl(server, home, kubectl.namespace, token="alicetoken")
    denied = alice.run("auth", "can-i", "delete", "nodes")
    assert (denied.returncode, denied.stdout) == (1, "no\n")
    refused = 'pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace'
    assert refused in alice.refusal("get", "pods")
    assert kubectl("auth", "can-i", "get", "pods", "--as", "admin", "--as-group", "system:masters") == "yes\n"
    nobody = Kubectl(server, home, kubectl.namespace, token="wrong")
    assert "You must be logged in" in nobody.refusal("get", "pods")


@pytest.mark.parametrize("flags", [(), ("--show-events=false",), ("--chunk-size=1",)])
def test_describe(kubectl: Kubectl, flags: tuple[str, ...]) -> None:
    kubectl.apply(pod("one"), deployment("web"), service("web"), config_map("a"))
    kubectl("create", "secret", "generic", "hidden", "--from-literal", "a=b")
    for what, words in {
        "pod one": ("nginx:1.27", "Status:           Pending"),
        "deployment web": ("StrategyType:           RollingUpdate", "Replicas:"),
        "service web": ("Selector:                 app=web",),
        "configmap a": ("color:", "blue"),
        "secret hidden": ("a:  1 bytes",),
        f"namespace {kubectl.namespace}": ("Status:       Active",),
    }.items():
        shown = kubectl("describe", *what.split(), *flags)
        for text in words:
            assert text in shown


def test_describe_a_node(kubectl: Kubectl) -> None:
    name = f"node-{kubectl.namespace}"
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    kubectl("create", "-f", "-", stdin=manifest(node))
    assert f"Name:               {name}" in kubectl("describe", "node", name)
    kubectl("delete", "node", name)


def test_events(kubectl: Kubectl) -> None:
    kubectl.apply(pod("one"))
    uid = kubectl.get("pod", "one")["metadata"]["uid"]
    event = {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "one.1"}, "type": "Warning", "reason": "BackOff",
        "message": "it does not start", "count": 3, "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:05:00Z", "source": {"component": "kubelet"},
        "involvedObject": {
            "apiVersion": "v1", "kind": "Pod", "name": "one", "namespace": kubectl.namespace, "uid": uid,
        },
    }  # fmt: skip
    kubectl("create", "-f", "-", stdin=manifest(event))
    for shown in (
        kubectl("events"),
        kubectl("events", "--for", "pod/one", "--types", "Warning"),
        kubectl("get", "events"),
        kubectl("get", "events", "--field-selector", "involvedObject.name=one,type=Warning"),
        kubectl("describe", "pod", "one"),
    ):
        assert "it does not start" in shown
    assert "No events found" in kubectl.run("events", "--for", "pod/two").stderr


def test_roles_decide(kubectl: Kubectl, server: ApiServer, home: Path) -> None:
    alice = Kubectl(server, home, kubectl.namespace, token="alicetoken")
    assert "forbidden" in alice.refusal("get", "pods").lower()
    kubectl("create", "role", "reader", "--verb", "get,list", "--resource", "pods")
    kubectl("create", "rolebinding", "readers", "--role", "reader", "--user", "alice")
    assert alice("get", "pods", "-o", "name") == ""
    assert "cannot create resource" in alice.refusal("create", "configmap", "x")
    assert "pods" in alice("auth", "can-i", "--list")
    more = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "reader", "namespace": kubectl.namespace},
        "rules": [{"apiGroups": [""], "resources": ["services"], "verbs": ["list"]}],
    }
    kubectl("auth", "reconcile", "-f", "-", stdin=manifest(more))
    assert alice("get", "services", "-o", "name") == ""
    assert alice("get", "pods", "-o", "name") == "", "what was there before is kept"
