"""Real kubectl creates, shows, describes, explains and deletes every built-in kind."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.scheme import RESOURCES, Resource
from tests.apiserver.conftest import ApiServer
from tests.ecosystem.kubectl import Kubectl
from tests.malformed.resources import Resource as Served

NAMESPACE = "every-kind"
DESCRIBED_AS_BETA = frozenset({"IPAddress", "ServiceCIDR", "VolumeAttributesClass"})
"""Kinds that kubectl before 1.34 describes in their beta versions only."""
STORED = [resource for resource in RESOURCES if resource.is_stored]
REVIEWS = [resource for resource in RESOURCES if resource.verbs == ("create",) and resource.plural != "bindings"]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server for this module: objects like webhook configurations are meant for all of a server's clients."""
    running = ApiServer(tmp_path_factory.mktemp("every-kind"))
    running.start()
    with running.client() as client:
        assert client.post("/api/v1/namespaces", json={"metadata": {"name": NAMESPACE}}).status_code == 201
        account = {"metadata": {"name": "default"}}
        assert client.post(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", json=account).status_code == 201
    yield running
    assert running.stop() == 0


@pytest.fixture
def ctl(own: ApiServer, home: Path) -> Kubectl:
    return Kubectl(own, home, NAMESPACE)


def identity(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group_version.version}.{resource.group}"


def signing_request() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "someone")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()


def particular(kind: str) -> tuple[str, dict[str, Any]] | None:
    """The name and the rest of an object of a kind whose name or content must be of a certain form."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"plural": "things", "kind": "Thing"}
    definition = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    service = {"group": "example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100}
    found: dict[str, tuple[str, dict[str, Any]]] = {
        "APIService": ("v1.example.com", {"spec": service | {"service": {"name": "x", "namespace": NAMESPACE}}}),
        "CustomResourceDefinition": ("things.example.com", {"spec": definition}),
        "IPAddress": ("10.96.77.7", {"spec": {"parentRef": {"resource": "services", "namespace": "x", "name": "x"}}}),
        "Lease": ("a", {"spec": {"holderIdentity": "x"}}),
    }
    if kind == "CertificateSigningRequest":
        spec = {"request": signing_request(), "signerName": "example.com/x", "usages": ["client auth"]}
        return "a", {"spec": spec}
    return found.get(kind)


def example(resource: Resource) -> dict[str, Any]:
    namespace = NAMESPACE if resource.namespaced else ""
    served = Served("", resource.plural, resource.kind, resource.api_version, namespace, frozenset())
    chosen = particular(resource.kind)
    if chosen is None:
        return served.valid("an-object")
    name, rest = chosen
    return {**served.valid(name), **rest}


@pytest.mark.parametrize("resource", STORED, ids=identity)
def test_kept_objects(ctl: Kubectl, resource: Resource) -> None:
    made = example(resource)
    name, known = made["metadata"]["name"], f"{resource.plural}.{resource.group_version.version}.{resource.group}"
    assert "created" in ctl("create", "-f", "-", stdin=json.dumps(made))
    shown = ctl("get", known, name, "-o", "wide").splitlines()
    assert len(shown) == 2
    assert name in shown[1]
    explained = ctl("explain", resource.plural, f"--api-version={resource.api_version}", "--recursive")
    assert f"KIND:       {resource.kind}" in explained
    assert "metadata" in explained
    described = ctl.run("describe", known, name)
    gone = ctl("delete", known, name, "--wait=false", "--now" if resource.kind == "Pod" else "--ignore-not-found")
    assert "deleted" in gone
    if resource.kind in DESCRIBED_AS_BETA and "could not find the requested resource" in described.stderr:
        pytest.skip(f"this kubectl describes only the beta version of {resource.kind}, which 1.36 does not serve")
    assert name in described.stdout, described.stderr


@pytest.mark.parametrize("resource", REVIEWS, ids=identity)
def test_questions(ctl: Kubectl, resource: Resource) -> None:
    """They are answered and not kept: creating is all there is."""
    attributes = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": NAMESPACE}}
    specs: dict[str, Any] = {
        "LocalSubjectAccessReview": {**attributes, "user": "alice"},
        "SelfSubjectAccessReview": attributes,
        "SelfSubjectRulesReview": {"namespace": NAMESPACE},
        "SubjectAccessReview": {**attributes, "user": "alice"},
        "TokenReview": {"token": "admintoken"},
    }
    document: dict[str, Any] = {"apiVersion": resource.api_version, "kind": resource.kind}
    document["metadata"] = {"namespace": NAMESPACE} if resource.namespaced else {}
    if resource.kind in specs:
        document["spec"] = specs[resource.kind]
    answer = json.loads(ctl("create", "-o", "json", "-f", "-", stdin=json.dumps(document)))
    assert answer["status"], answer
    explained = ctl("explain", resource.plural, f"--api-version={resource.api_version}")
    assert f"KIND:       {resource.kind}" in explained


def test_bindings(ctl: Kubectl) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "to-bind"}}
    pod["spec"] = {"containers": [{"name": "c", "image": "i"}]}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "to-bind"}}
    binding["target"] = {"apiVersion": "v1", "kind": "Node", "name": "a-node"}
    ctl("create", "-f", "-", stdin=json.dumps(pod))
    ctl("create", "--validate=false", "-f", "-", stdin=json.dumps(binding))
    assert ctl("get", "pod", "to-bind", "-o", "jsonpath={.spec.nodeName}") == "a-node"
    assert "KIND:       Binding" in ctl("explain", "bindings")
    ctl("delete", "pod", "to-bind", "--now", "--wait=false")


def test_component_statuses(ctl: Kubectl) -> None:
    assert "etcd-0" in ctl("get", "componentstatuses")
    assert "etcd-0" in ctl("describe", "componentstatus", "etcd-0")
    assert "KIND:       ComponentStatus" in ctl("explain", "componentstatuses")


def test_all_68_are_here() -> None:
    assert len(STORED) + len(REVIEWS) + len(["bindings", "componentstatuses"]) == len(RESOURCES) == 68
