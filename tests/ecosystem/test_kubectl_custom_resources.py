"""kubectl and custom resources: define, explain, create, get, edit, scale, wait, delete."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ecosystem.kubectl import Kubectl, manifest

_SPEC = {
    "type": "object",
    "required": ["schedule"],
    "properties": {
        "schedule": {"type": "string", "description": "When it runs.", "pattern": r"^\S+( \S+){4}$"},
        "replicas": {"type": "integer", "minimum": 0, "default": 1},
    },
}
_STATUS = {"type": "object", "properties": {"replicas": {"type": "integer"}, "phase": {"type": "string"}}}


@pytest.fixture
def group() -> str:
    return f"k{uuid.uuid4().hex[:8]}.example.com"


@pytest.fixture
def definition(group: str) -> dict[str, Any]:
    schema = {"type": "object", "description": "A job of its own.", "properties": {"spec": _SPEC, "status": _STATUS}}
    columns = [
        {"name": "Schedule", "type": "string", "jsonPath": ".spec.schedule"},
        {"name": "Phase", "type": "string", "jsonPath": ".status.phase", "priority": 1},
    ]
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
        },
        "additionalPrinterColumns": columns,
    }
    short = "t" + group[1:4]
    names = {
        "plural": "crontabs",
        "singular": "crontab",
        "kind": "CronTab",
        "shortNames": [short],
        "categories": ["all"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"crontabs.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where kubectl keeps what it has discovered: others must not look for what was here."""
    return tmp_path


@pytest.fixture
def defined(kubectl: Kubectl, definition: dict[str, Any]) -> Iterator[str]:
    """The resource as kubectl is told it; its definition is gone afterwards."""
    name = definition["metadata"]["name"]
    kubectl.apply(definition)
    # Where there are no conditions yet, `kubectl wait --for=condition` of this version gives up at once.
    kubectl("wait", "--for=jsonpath={.status.acceptedNames.kind}=CronTab", f"crd/{name}", "--timeout=50s")
    kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=50s")
    yield name
    kubectl("delete", "crd", name, "--timeout=50s")


def crontab(group: str, name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{group}/v1",
        "kind": "CronTab",
        "metadata": {"name": name},
        "spec": {"schedule": "* * * * *", **spec},
    }


def test_from_create_to_delete(kubectl: Kubectl, group: str, defined: str) -> None:
    assert kubectl("create", "-f", "-", stdin=manifest(crontab(group, "a"))) == f"crontab.{group}/a created\n"
    lines = kubectl("get", defined).splitlines()
    assert lines[0].split() == ["NAME", "SCHEDULE"]
    assert lines[1].startswith("a ")
    wide = kubectl("get", defined, "-o", "wide").splitlines()
    assert wide[0].split() == ["NAME", "SCHEDULE", "PHASE"]
    assert f"crontab.{group}/a" in kubectl("get", "all", "-o", "name")
    kubectl("patch", defined, "a", "--subresource=status", "--type=merge", "-p", '{"status":{"phase":"Up"}}')
    kubectl("wait", "--for=jsonpath={.status.phase}=Up", f"{defined}/a", "--timeout=50s")
    kubectl("scale", "--replicas=4", f"{defined}/a")
    assert kubectl.get(defined, "a")["spec"]["replicas"] == 4
    kubectl("label", defined, "a", "x=y")
    assert kubectl("delete", defined, "-l", "x=y").startswith(f'crontab.{group} "a" deleted')


def test_both_ways_of_applying(kubectl: Kubectl, group: str, defined: str) -> None:
    assert "created" in kubectl.apply(crontab(group, "a", replicas=2))
    assert "unchanged" in kubectl.apply(crontab(group, "a", replicas=2))
    assert "configured" in kubectl.apply(crontab(group, "a", replicas=3))
    assert "serverside-applied" in kubectl.apply(crontab(group, "a", replicas=5), flags=("--server-side",))
    assert "diff" in kubectl.run("diff", "-f", "-", stdin=manifest(crontab(group, "a", replicas=6))).stdout


def test_what_is_wrong_is_told(kubectl: Kubectl, group: str, defined: str) -> None:
    odd = crontab(group, "a")
    odd["spec"]["odd"] = 1
    assert 'unknown field "spec.odd"' in kubectl.refusal("create", "-f", "-", stdin=manifest(odd))
    wrong = crontab(group, "a", schedule="never")
    assert "spec.schedule in body should match" in kubectl.refusal("create", "-f", "-", stdin=manifest(wrong))


def test_explain_and_api_resources(kubectl: Kubectl, group: str, defined: str) -> None:
    version = f"--api-version={group}/v1"
    explained = kubectl("explain", "crontabs.spec.schedule", version)
    assert "When it runs." in explained
    assert "<string>" in explained
    assert "A job of its own." in kubectl("explain", "crontabs", version)
    listed = kubectl("api-resources", f"--api-group={group}", "--no-headers").split()
    assert listed[0] == "crontabs"
    assert listed[-1] == "CronTab"
    assert f"{group}/v1" in kubectl("api-versions").split()
