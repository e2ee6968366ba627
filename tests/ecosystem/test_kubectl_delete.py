"""kubectl delete and wait."""

from __future__ import annotations

from tests.ecosystem.kubectl import Kubectl, manifest
from tests.ecosystem.objects import config_map, deployment, pod


def gave_up(said: str) -> bool:
    """Whether kubectl's time is over, which may be while it waits for a change or for an answer to a question."""
    return "timed out waiting for the condition" in said or "context deadline exceeded" in said


def test_one_several_and_all(kubectl: Kubectl) -> None:
    kubectl.apply(*(config_map(name, labels={"group": name[0]}) for name in ("a1", "a2", "b1", "b2", "c1", "d1")))
    assert kubectl("delete", "cm", "d1").startswith('configmap "d1" deleted')
    kubectl("delete", "cm/a1", "cm/b1")
    kubectl("delete", "cm", "-l", "group=a")
    kubectl("delete", "cm", "--field-selector", "metadata.name=b2")
    kubectl("delete", "-f", "-", stdin=manifest(config_map("c1")))
    assert kubectl("get", "cm", "-o", "name") == ""
    assert "not found" in kubectl.refusal("delete", "cm", "a1")
    assert kubectl("delete", "cm", "a1", "--ignore-not-found") == ""
    kubectl.apply(config_map("e1"), pod("one"))
    kubectl("delete", "cm,pods", "--all", "--grace-period", "0", "--force")
    assert kubectl("get", "cm,pods", "-o", "name") == ""


def test_dry_run(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("a"))
    assert "server dry run" in kubectl("delete", "cm", "a", "--dry-run=server")
    assert kubectl("get", "cm", "a", "-o", "name") == "configmap/a\n"


def test_grace_period(kubectl: Kubectl) -> None:
    kubectl.apply(pod("one"))
    bound = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "one"},
        "target": {"kind": "Node", "name": "n"},
    }
    kubectl(
        "create", "--raw", f"/api/v1/namespaces/{kubectl.namespace}/pods/one/binding", "-f", "-", stdin=manifest(bound)
    )
    kubectl("delete", "pod", "one", "--grace-period", "17", "--wait=false")
    metadata = kubectl.get("pod", "one")["metadata"]
    assert metadata["deletionGracePeriodSeconds"] == 17
    assert kubectl("get", "pod", "one", "--no-headers").split()[2] == "Terminating"
    kubectl("delete", "pod", "one", "--force", "--grace-period", "0")
    assert "not found" in kubectl.refusal("get", "pod", "one")


def test_cascade(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("foreground"), deployment("orphan"), deployment("background"))
    for name in ("foreground", "orphan"):
        kubectl("delete", "deployment", name, f"--cascade={name}", "--wait=false")
    kubectl("delete", "deployment", "background", "--cascade=background")
    finalizers = {
        item["metadata"]["name"]: item["metadata"]["finalizers"] for item in kubectl.get("deployments")["items"]
    }
    assert finalizers == {"foreground": ["foregroundDeletion"], "orphan": ["orphan"]}


def test_waits_for_finalizers(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("held", finalizers=["example.com/hold"]))
    late = kubectl.run("delete", "cm", "held", "--timeout", "1s")
    assert late.returncode == 1
    assert gave_up(late.stderr)
    with kubectl.started("wait", "cm/held", "--for", "delete", "--timeout", "120s") as waiting:
        kubectl("patch", "cm", "held", "--type", "json", "-p", '[{"op": "remove", "path": "/metadata/finalizers"}]')
        assert waiting.wait(60) == 0
    assert "not found" in kubectl.refusal("get", "cm", "held")


def test_wait_for_a_condition(kubectl: Kubectl) -> None:
    kubectl.apply(pod("one"))
    assert gave_up(kubectl.refusal("wait", "pod/one", "--for", "condition=Ready", "--timeout", "1s"))
    with kubectl.started("wait", "pod/one", "--for", "condition=Ready", "--timeout", "120s") as waiting:
        ready = '{"status": {"conditions": [{"type": "Ready", "status": "True"}]}}'
        kubectl("patch", "pod", "one", "--subresource", "status", "-p", ready)
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "pod/one condition met\n"
        assert waiting.wait(60) == 0
    kubectl("wait", "pods", "--all", "--for", "condition=ready=true", "--timeout", "60s")


def test_wait_for_a_value_and_for_creation(kubectl: Kubectl) -> None:
    with kubectl.started("wait", "cm/later", "--for", "create", "--timeout", "120s") as waiting:
        kubectl.apply(config_map("later"))
        assert waiting.wait(60) == 0
    with kubectl.started("wait", "cm/later", "--for", "jsonpath={.data.color}=red", "--timeout", "120s") as waiting:
        kubectl.apply(config_map("later", {"color": "red"}))
        assert waiting.wait(60) == 0
