"""kubectl's ways of changing an object: patch, edit, replace, label, annotate, set, scale, rollout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ecosystem.kubectl import Kubectl, manifest
from tests.ecosystem.objects import config_map, deployment, pod, service


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("strategic", {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "nginx:2"}]}}}}),
        ("merge", {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "nginx:2"}]}}}}),
        ("json", [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:2"}]),
    ],
)
def test_patch(kubectl: Kubectl, kind: str, patch: object) -> None:
    kubectl.apply(deployment("web"))
    kubectl("set", "env", "deployment/web", "A=b")
    patching = ("patch", "deployment", "web", "--type", kind, "-p", json.dumps(patch))
    assert kubectl(*patching) == "deployment.apps/web patched\n"
    assert kubectl(*patching) == "deployment.apps/web patched (no change)\n"
    (container,) = kubectl.get("deployment", "web")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "nginx:2"
    assert ("env" in container) == (kind != "merge"), "a merge patch replaces lists"


def test_patch_subresources(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("web"), pod("one"))
    kubectl("patch", "pod", "one", "--subresource", "status", "-p", '{"status": {"phase": "Running"}}')
    assert kubectl("get", "pod", "one", "--no-headers").split()[2] == "Running"
    kubectl("patch", "deployment", "web", "--subresource", "scale", "--type", "merge", "-p", '{"spec":{"replicas":7}}')
    assert kubectl.get("deployment", "web")["spec"]["replicas"] == 7
    scale = json.loads(kubectl("get", "deployment", "web", "--subresource", "scale", "-o", "json"))
    assert (scale["kind"], scale["spec"]["replicas"]) == ("Scale", 7)


def test_patches_that_are_refused(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("a"), pod("one"))
    assert "not found" in kubectl.refusal("patch", "cm", "b", "-p", "{}")
    nowhere = '[{"op": "remove", "path": "/data/nothing"}]'
    assert "the server rejected our request" in kubectl.refusal("patch", "cm", "a", "--type", "json", "-p", nowhere)
    moved = '{"spec": {"nodeName": "x", "hostname": "y"}}'
    assert "Forbidden: pod updates may not change fields" in kubectl.refusal("patch", "pod", "one", "-p", moved)


def editor(folder: Path, before: str, after: str) -> dict[str, str]:
    """An EDITOR that replaces some text."""
    script = folder / "editor"
    script.write_text(f'#!/bin/sh\nsed -i "s/{before}/{after}/" "$1"\n')
    script.chmod(0o755)
    return {"EDITOR": str(script)}


def test_edit(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl.apply(config_map("a"))
    edited = kubectl("edit", "cm", "a", environment=editor(tmp_path, "color: blue", "color: red"))
    assert edited == "configmap/a edited\n"
    assert kubectl.get("cm", "a")["data"] == {"color": "red"}
    unchanged = kubectl.run("edit", "cm", "a", environment=editor(tmp_path, "nothing", "something"))
    assert "no changes made" in unchanged.stderr


def test_edit_status(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl.apply(deployment("web"))
    kubectl("patch", "deployment", "web", "--subresource", "status", "-p", '{"status": {"replicas": 1}}')
    change = editor(tmp_path, "^  replicas: 1", "  replicas: 3")
    kubectl("edit", "deployment", "web", "--subresource", "status", environment=change)
    assert kubectl.get("deployment", "web")["status"]["replicas"] == 3


def test_replace(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=manifest(config_map("a")))
    assert kubectl("replace", "-f", "-", stdin=manifest(config_map("a", {"x": "1"}))) == "configmap/a replaced\n"
    live = kubectl.get("cm", "a")
    assert live["data"] == {"x": "1"}
    stale = config_map("a", resourceVersion="1")
    assert "the object has been modified" in kubectl.refusal("replace", "-f", "-", stdin=manifest(stale))
    assert "not found" in kubectl.refusal("replace", "-f", "-", stdin=manifest(config_map("b")))


def test_replace_by_force(kubectl: Kubectl) -> None:
    kubectl.apply(pod("one"))
    before = kubectl.get("pod", "one")["metadata"]["uid"]
    other = pod("one")
    other["spec"]["hostname"] = "other"
    assert "Forbidden" in kubectl.refusal("replace", "-f", "-", stdin=manifest(other))
    assert "replaced" in kubectl("replace", "--force", "-f", "-", stdin=manifest(other))
    after = kubectl.get("pod", "one")
    assert after["metadata"]["uid"] != before
    assert after["spec"]["hostname"] == "other"


@pytest.mark.parametrize(("command", "member"), [("label", "labels"), ("annotate", "annotations")])
def test_label_and_annotate(kubectl: Kubectl, command: str, member: str) -> None:
    kubectl("create", "-f", "-", stdin=manifest(config_map("a"), config_map("b")))
    kubectl(command, "cm", "a", "example.com/color=blue", "size=big")
    assert kubectl.get("cm", "a")["metadata"][member] == {"example.com/color": "blue", "size": "big"}
    assert "already has a value" in kubectl.refusal(command, "cm", "a", "size=small")
    kubectl(command, "--overwrite", "cm", "a", "size=small", "example.com/color-")
    assert kubectl.get("cm", "a")["metadata"][member] == {"size": "small"}
    kubectl(command, "cm", "--all", "all=yes")
    assert all(item["metadata"][member]["all"] == "yes" for item in kubectl.get("cm", "a", "b")["items"])
    assert "size" in kubectl(command, "--list", "cm", "a")


def test_a_label_that_is_none(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("a"))
    assert "a valid label must be an empty string" in kubectl.refusal("label", "cm", "a", "x=not a label")


def test_set(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("web"), service("web"), config_map("settings"))
    kubectl("create", "serviceaccount", "robot")
    kubectl("set", "image", "deployment/web", "main=nginx:3")
    kubectl("set", "env", "deployment/web", "A=b", "C=d")
    kubectl("set", "env", "deployment/web", "--from", "configmap/settings", "A-")
    kubectl("set", "resources", "deployment/web", "--limits", "cpu=200m,memory=64Mi", "--requests", "cpu=100m")
    kubectl("set", "serviceaccount", "deployment/web", "robot")
    kubectl("set", "selector", "service/web", "app=other")
    spec = kubectl.get("deployment", "web")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["image"] == "nginx:3"
    assert [entry["name"] for entry in container["env"]] == ["C", "COLOR"]
    assert container["resources"] == {"limits": {"cpu": "200m", "memory": "64Mi"}, "requests": {"cpu": "100m"}}
    assert spec["serviceAccountName"] == "robot"
    assert kubectl.get("service", "web")["spec"]["selector"] == {"app": "other"}
    assert "C=d" in kubectl("set", "env", "deployment/web", "--list")


def test_scale(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("web", 2), deployment("api", 2))
    assert kubectl("scale", "deployment", "web", "--replicas", "3") == "deployment.apps/web scaled\n"
    assert (
        "expected replicas to be 2"
        in kubectl.refusal("scale", "deployment", "web", "--current-replicas", "2", "--replicas", "4").lower()
    )
    kubectl("scale", "deployment/web", "deployment/api", "--replicas", "0")
    assert [item["spec"]["replicas"] for item in kubectl.get("deployments")["items"]] == [0, 0]


def test_rollout(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("web"))
    kubectl("rollout", "pause", "deployment/web")
    assert kubectl.get("deployment", "web")["spec"]["paused"] is True
    assert "already paused" in kubectl.refusal("rollout", "pause", "deployment/web")
    kubectl("rollout", "resume", "deployment/web")
    assert "paused" not in kubectl.get("deployment", "web")["spec"]
    kubectl("rollout", "restart", "deployment/web")
    template = kubectl.get("deployment", "web")["spec"]["template"]
    assert "kubectl.kubernetes.io/restartedAt" in template["metadata"]["annotations"]
    status = {"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
    kubectl("patch", "deployment", "web", "--subresource", "status", "-p", json.dumps({"status": status}))
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout", "60s")


def test_rollout_history_and_undo(kubectl: Kubectl) -> None:
    """The controller's part is played here: revisions are ReplicaSets that the Deployment owns."""
    kubectl.apply(deployment("web", image="nginx:2"))
    live = kubectl.get("deployment", "web")
    for revision in (1, 2):
        replica_set = deployment(f"web-{revision}", 0, f"nginx:{revision}")
        labels = {"app": "web", "pod-template-hash": str(revision)}
        replica_set["kind"] = "ReplicaSet"
        replica_set["metadata"] |= {
            "labels": labels,
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "controller": True,
                 "uid": live["metadata"]["uid"]}
            ],
        }  # fmt: skip
        replica_set["spec"]["selector"] = {"matchLabels": labels}
        replica_set["spec"]["template"]["metadata"]["labels"] = labels
        kubectl("create", "-f", "-", stdin=manifest(replica_set))
    kubectl("annotate", "deployment", "web", "deployment.kubernetes.io/revision=2")
    history = kubectl("rollout", "history", "deployment/web").splitlines()
    assert [line.split()[0] for line in history[2:] if line] == ["1", "2"]
    assert "nginx:1" in kubectl("rollout", "history", "deployment/web", "--revision", "1")
    assert kubectl("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n"
    spec = kubectl.get("deployment", "web")["spec"]["template"]
    assert spec["spec"]["containers"][0]["image"] == "nginx:1"
    assert spec["metadata"]["labels"] == {"app": "web"}


def test_taint_cordon_and_drain(kubectl: Kubectl) -> None:
    name = f"node-{kubectl.namespace}"
    kubectl("create", "-f", "-", stdin=manifest({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}))
    kubectl("taint", "node", name, "dedicated=db:NoSchedule")
    kubectl("cordon", name)
    assert {taint["key"] for taint in kubectl.get("node", name)["spec"]["taints"]} >= {"dedicated"}
    assert "SchedulingDisabled" in kubectl("get", "node", name)
    kubectl("taint", "node", name, "dedicated-")
    kubectl("uncordon", name)
    assert "unschedulable" not in kubectl.get("node", name)["spec"]
    assert "drained" in kubectl("drain", name, "--ignore-daemonsets")
    kubectl("delete", "node", name)


def test_patch_what_is_only_written(kubectl: Kubectl) -> None:
    kubectl("create", "secret", "generic", "key", "--from-literal", "a=b")
    kubectl("patch", "secret", "key", "-p", '{"stringData": {"c": "d"}}')
    assert kubectl.get("secret", "key")["data"] == {"a": "Yg==", "c": "ZA=="}
