"""kubectl create, run and expose: the generators, which send protobuf where their client has it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.ecosystem.kubectl import Kubectl, manifest
from tests.ecosystem.objects import config_map, deployment

# What is made, with which words, and a path to a value that shows it.
GENERATORS: dict[str, tuple[str, tuple[str, ...], str, Any]] = {
    "configmaps": ("configmap", ("--from-literal=a=b",), "data.a", "b"),
    "secrets": ("secret generic", ("--from-literal=a=b",), "data.a", "Yg=="),
    "serviceaccounts": ("serviceaccount", (), "metadata.generation", None),
    "deployments.apps": ("deployment", ("--image=nginx", "--replicas=2", "--port=80"), "spec.replicas", 2),
    "services": ("service clusterip", ("--tcp=80:8080",), "spec.ports.0.targetPort", 8080),
    "jobs.batch": ("job", ("--image=busybox",), "spec.template.spec.restartPolicy", "Never"),
    "cronjobs.batch": ("cronjob", ("--image=busybox", "--schedule=* * * * *"), "spec.schedule", "* * * * *"),
    "roles.rbac.authorization.k8s.io": ("role", ("--verb=get,list", "--resource=pods"), "rules.0.verbs.1", "list"),
    "rolebindings.rbac.authorization.k8s.io": ("rolebinding", ("--role=r", "--user=u"), "subjects.0.name", "u"),
    "ingresses.networking.k8s.io": ("ingress", ("--rule=x.example/=svc:80",), "spec.rules.0.host", "x.example"),
    "poddisruptionbudgets.policy": ("pdb", ("--selector=app=web", "--min-available=1"), "spec.minAvailable", 1),
    "resourcequotas": ("quota", ("--hard=pods=5",), "spec.hard.pods", "5"),
}


@pytest.fixture
def served(kubectl: Kubectl) -> set[str]:
    return set(kubectl("api-resources", "-o", "name").split())


@pytest.mark.parametrize("resource", GENERATORS)
def test_generators(kubectl: Kubectl, served: set[str], resource: str) -> None:
    if resource not in served:
        pytest.skip(f"the server has no {resource}")
    words, flags, path, wanted = GENERATORS[resource]
    create = ("create", *words.split(), "made", *flags)
    assert "made created (server dry run)" in kubectl(*create, "--dry-run=server")
    assert "not found" in kubectl.refusal("get", resource, "made")
    assert kubectl(*create).endswith("/made created\n")
    value: Any = kubectl.get(resource, "made")
    for step in path.split("."):
        value = value[int(step)] if isinstance(value, list) else value.get(step)
    assert value == wanted
    assert "AlreadyExists" in kubectl.refusal(*create) or "already exists" in kubectl.refusal(*create)


def test_other_secrets_and_services(kubectl: Kubectl) -> None:
    kubectl(
        "create", "secret", "docker-registry", "registry",
        "--docker-server=r.example", "--docker-username=u", "--docker-password=p",
    )  # fmt: skip
    assert kubectl.get("secret", "registry")["type"] == "kubernetes.io/dockerconfigjson"
    kubectl("create", "service", "nodeport", "node", "--tcp=80")
    (port,) = kubectl.get("service", "node")["spec"]["ports"]
    assert 30000 <= port["nodePort"] < 32768
    kubectl("create", "service", "externalname", "outside", "--external-name", "db.example")
    assert kubectl.get("service", "outside")["spec"]["externalName"] == "db.example"
    kubectl("create", "service", "loadbalancer", "balanced", "--tcp=80")
    assert kubectl("get", "service", "balanced", "--no-headers").split()[1:4:2] == ["LoadBalancer", "<pending>"]


def test_namespaces_and_tokens(kubectl: Kubectl) -> None:
    name = f"{kubectl.namespace}-more"
    assert kubectl("create", "namespace", name) == f"namespace/{name} created\n"
    assert kubectl("get", "namespace", name, "--no-headers").split()[:2] == [name, "Active"]
    token = kubectl("create", "token", "default", "--duration", "15m").strip()
    assert token.count(".") == 2
    kubectl("delete", "namespace", name, "--wait=false")
    assert kubectl("get", "namespace", name, "--no-headers").split()[:2] == [name, "Terminating"]


def test_files_and_generated_names(kubectl: Kubectl) -> None:
    generated = config_map("x", generateName="drawn-")
    del generated["metadata"]["name"]
    names = [kubectl("create", "-f", "-", "-o", "name", stdin=manifest(generated)).strip() for _ in range(2)]
    assert len(set(names)) == 2
    assert all(name.startswith("configmap/drawn-") for name in names)
    assert "AlreadyExists" in kubectl("create", "-f", "-", stdin=manifest(config_map("a"))) + kubectl.refusal(
        "create", "-f", "-", stdin=manifest(config_map("a"))
    )


def test_run_and_expose(kubectl: Kubectl) -> None:
    kubectl("run", "web", "--image", "nginx", "--port", "80", "--labels", "app=web", "--expose")
    pod, service = kubectl.get("pod", "web"), kubectl.get("service", "web")
    assert pod["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert service["spec"]["selector"] == {"app": "web"}
    kubectl.apply(deployment("api"))
    kubectl("expose", "deployment", "api", "--port", "80", "--target-port", "8080", "--type", "NodePort")
    assert kubectl.get("service", "api")["spec"]["ports"][0]["targetPort"] == 8080
    kubectl("expose", "pod", "web", "--name", "again", "--port", "443")
    assert kubectl.get("service", "again")["spec"]["ports"][0]["port"] == 443


def test_what_is_refused(kubectl: Kubectl) -> None:
    assert "Invalid value" in kubectl.refusal("create", "deployment", "Web", "--image", "nginx")
    missing = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": []}}
    refused = kubectl.refusal("create", "-f", "-", stdin=manifest(missing))
    assert "spec.containers: Required value" in refused
    absent = kubectl.refusal("-n", "nowhere", "create", "configmap", "a")
    assert 'namespaces "nowhere" not found' in absent


def test_strict_validation(kubectl: Kubectl) -> None:
    wrong = json.dumps({**config_map("a"), "colour": "blue"})
    assert 'unknown field "colour"' in kubectl.refusal("create", "--validate=strict", "-f", "-", stdin=wrong)
    twice = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1", "x": "2"}}'
    path = f"/api/v1/namespaces/{kubectl.namespace}/configmaps?fieldValidation=Strict"
    assert 'duplicate field "data.x"' in kubectl.refusal("create", "--raw", path, "-f", "-", stdin=twice)
