"""kubectl apply and diff, on the client's side and on the server's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ecosystem.kubectl import Kubectl, manifest
from tests.ecosystem.objects import config_map, deployment, pod

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
SERVER = ("--server-side",)


def test_create_change_and_leave_alone(kubectl: Kubectl) -> None:
    assert kubectl.apply(config_map("a", {"x": "1", "y": "2"})) == "configmap/a created\n"
    assert kubectl.apply(config_map("a", {"x": "1", "y": "2"})) == "configmap/a unchanged\n"
    kubectl("annotate", "cm", "a", "note=mine")
    assert kubectl.apply(config_map("a", {"x": "3"})) == "configmap/a configured\n"
    live = kubectl.get("cm", "a")
    assert live["data"] == {"x": "3"}, "what the manifest lost is pruned"
    assert live["metadata"]["annotations"]["note"] == "mine", "what it never had is kept"
    assert json.loads(live["metadata"]["annotations"][LAST_APPLIED])["data"] == {"x": "3"}


def test_lists_merge_by_their_keys(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("web"))
    kubectl("set", "env", "deployment/web", "A=b")
    changed = deployment("web", image="nginx:1.28")
    changed["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "busybox"})
    kubectl.apply(changed)
    containers = kubectl.get("deployment", "web")["spec"]["template"]["spec"]["containers"]
    assert [(each["name"], each["image"]) for each in containers] == [("main", "nginx:1.28"), ("side", "busybox")]
    assert containers[0]["env"] == [{"name": "A", "value": "b"}]


def test_last_applied(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("a"))
    assert json.loads(kubectl("apply", "view-last-applied", "cm", "a", "-o", "json"))["data"] == {"color": "blue"}
    kubectl("apply", "set-last-applied", "-f", "-", stdin=manifest(config_map("a", {"color": "red"})))
    assert json.loads(kubectl("apply", "view-last-applied", "cm", "a", "-o", "json"))["data"] == {"color": "red"}


def test_prune(kubectl: Kubectl) -> None:
    kept, lost = config_map("kept", labels={"set": "one"}), config_map("lost", labels={"set": "one"})
    kubectl.apply(kept, lost, config_map("other"))
    pruning = ("--prune", "-l", "set=one", "--prune-allowlist", "core/v1/ConfigMap")
    assert "configmap/lost pruned" in kubectl.apply(kept, flags=pruning)
    assert kubectl("get", "cm", "-o", "name").split() == ["configmap/kept", "configmap/other"]


def test_a_namespace_and_what_lives_in_it(kubectl: Kubectl) -> None:
    name = f"{kubectl.namespace}-more"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    kubectl.apply(space, config_map("inside", namespace=name), flags=("-n", name))
    assert kubectl.get("-n", name, "cm", "inside")["data"] == {"color": "blue"}


def test_kustomize(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text(manifest(config_map("a")))
    secrets = "secretGenerator: [{name: s, literals: [k=v]}]"
    (tmp_path / "kustomization.yaml").write_text(f"resources: [map.json]\nnamePrefix: my-\n{secrets}\n")
    assert "configmap/my-a created" in kubectl("apply", "-k", str(tmp_path))
    assert "secret/my-s-" in kubectl("get", "secrets", "-o", "name")


def test_server_side(kubectl: Kubectl) -> None:
    assert kubectl.apply(config_map("a"), flags=SERVER) == "configmap/a serverside-applied\n"
    live = kubectl.get("cm", "a", "--show-managed-fields")
    assert LAST_APPLIED not in live["metadata"].get("annotations", {})
    (manager,) = live["metadata"]["managedFields"]
    assert (manager["manager"], manager["operation"]) == ("kubectl", "Apply")
    assert manager["fieldsV1"] == {"f:data": {"f:color": {}}}


def test_server_side_conflicts(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("a"), flags=(*SERVER, "--field-manager", "one"))
    red = config_map("a", {"color": "red"})
    two = (*SERVER, "--field-manager", "two")
    refused = kubectl.refusal("apply", "-f", "-", *two, stdin=manifest(red))
    assert 'Apply failed with 1 conflict: conflict with "one": .data.color' in refused
    assert kubectl.get("cm", "a")["data"] == {"color": "blue"}
    assert kubectl.apply(red, flags=(*two, "--force-conflicts")) == "configmap/a serverside-applied\n"
    managers = kubectl.get("cm", "a", "--show-managed-fields")["metadata"]["managedFields"]
    assert [entry["manager"] for entry in managers] == ["two"], "who owns nothing any more is forgotten"


def test_server_side_takes_over_from_client_side(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("a", {"x": "1", "y": "2"}))
    kubectl.apply(config_map("a", {"x": "1"}), flags=SERVER)
    live = kubectl.get("cm", "a", "--show-managed-fields")
    assert live["data"] == {"x": "1"}
    managers = {entry["manager"]: entry["operation"] for entry in live["metadata"]["managedFields"]}
    assert managers == {"kubectl": "Apply", "kubectl-last-applied": "Apply"}


def test_server_side_leaves_what_others_own(kubectl: Kubectl) -> None:
    without_replicas = deployment("web")
    del without_replicas["spec"]["replicas"]
    kubectl.apply(without_replicas, flags=SERVER)
    kubectl("scale", "deployment", "web", "--replicas", "5")
    kubectl.apply(without_replicas, flags=SERVER)
    assert kubectl.get("deployment", "web")["spec"]["replicas"] == 5


def test_diff(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("a"))
    assert kubectl("diff", "-f", "-", stdin=manifest(config_map("a"))) == ""
    changed = kubectl.run("diff", "-f", "-", stdin=manifest(config_map("a", {"color": "red"})))
    assert changed.returncode == 1
    assert "-  color: blue" in changed.stdout
    assert "+  color: red" in changed.stdout
    new = kubectl.run("diff", "--server-side", "-f", "-", stdin=manifest(config_map("b")))
    assert new.returncode == 1
    assert "+  name: b" in new.stdout
    assert "not found" in kubectl.refusal("get", "cm", "b")


@pytest.mark.parametrize("flags", [(), SERVER])
def test_dry_run(kubectl: Kubectl, flags: tuple[str, ...]) -> None:
    dry = ("--dry-run=server", *flags)
    assert "(server dry run)" in kubectl.apply(config_map("a"), flags=dry)
    assert "not found" in kubectl.refusal("get", "cm", "a")
    kubectl.apply(config_map("a"), flags=flags)
    shown = kubectl.apply(config_map("a", {"color": "red"}), flags=(*dry, "-o", "json"))
    assert json.loads(shown)["data"] == {"color": "red"}
    assert kubectl.get("cm", "a")["data"] == {"color": "blue"}


@pytest.mark.parametrize("flags", [(), SERVER])
def test_unknown_fields(kubectl: Kubectl, flags: tuple[str, ...]) -> None:
    wrong = pod("one")
    wrong["spec"]["color"] = "blue"
    refused = kubectl.refusal("apply", "-f", "-", "--validate=strict", *flags, stdin=manifest(wrong))
    assert ".spec.color: field not declared in schema" in refused or 'unknown field "spec.color"' in refused
    if not flags:
        warned = kubectl.run("apply", "-f", "-", "--validate=warn", stdin=manifest(wrong))
        assert warned.returncode == 0
        assert warned.stderr == 'Warning: unknown field "spec.color"\n'
        ignored = kubectl.run("apply", "-f", "-", "--validate=ignore", stdin=manifest(wrong))
        assert (ignored.returncode, ignored.stderr) == (0, "")


def test_an_object_that_is_refused(kubectl: Kubectl) -> None:
    refused = kubectl.refusal("apply", "-f", "-", stdin=manifest(config_map("Not_A_Name")))
    assert 'ConfigMap "Not_A_Name" is invalid: metadata.name: Invalid value: "Not_A_Name"' in refused
