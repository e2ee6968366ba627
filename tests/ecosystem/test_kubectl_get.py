"""kubectl get: every form of output, selection, pages and watches."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.ecosystem.kubectl import Kubectl
from tests.ecosystem.objects import config_map, deployment, pod, service


@pytest.fixture
def three(kubectl: Kubectl) -> Kubectl:
    """A namespace with three ConfigMaps."""
    kubectl.apply(
        config_map("a", {"rank": "3"}, labels={"tier": "web", "stage": "test"}),
        config_map("b", {"rank": "1"}, labels={"tier": "web"}),
        config_map("c", {"rank": "2"}, labels={"tier": "db"}),
    )
    return kubectl


def test_json_and_yaml_are_the_same_object(three: Kubectl) -> None:
    shown = three.get("configmap", "a")
    assert shown["data"] == {"rank": "3"}
    assert yaml.safe_load(three("get", "configmap", "a", "-o", "yaml")) == shown
    assert [item["metadata"]["name"] for item in three.get("cm")["items"]] == ["a", "b", "c"]


def test_names(three: Kubectl) -> None:
    assert three("get", "cm", "-o", "name").split() == ["configmap/a", "configmap/b", "configmap/c"]
    three.apply(deployment("web"))
    assert three("get", "deploy/web", "cm/a", "-o", "name").split() == ["deployment.apps/web", "configmap/a"]


def test_tables(three: Kubectl) -> None:
    lines = three("get", "configmaps").splitlines()
    assert lines[0].split() == ["NAME", "DATA", "AGE"]
    assert lines[1].split()[:2] == ["a", "1"]
    assert "tier=web" in three("get", "configmaps", "--show-labels").splitlines()[1]
    assert three("get", "cm", "-L", "tier").splitlines()[3].split()[-1] == "db"
    assert len(three("get", "cm", "--no-headers").splitlines()) == 3
    assert "configmap/a" in three("get", "cm", "--show-kind")
    assert three("get", "cm", "-A").splitlines()[0].split()[0] == "NAMESPACE"


def test_wide_tables(kubectl: Kubectl) -> None:
    kubectl.apply(pod("one"), deployment("web"), service("web"))
    assert kubectl("get", "pods").splitlines()[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    header = kubectl("get", "pods", "-o", "wide").splitlines()[0]
    assert "NOMINATED NODE" in header
    wide = kubectl("get", "deployments", "-o", "wide").splitlines()[1].split()
    assert wide[0] == "web"
    assert wide[-3:] == ["main", "nginx:1.27", "app=web"]
    everything = kubectl("get", "all")
    assert all(name in everything for name in ("pod/one", "deployment.apps/web", "service/web"))


def test_custom_columns_and_paths(three: Kubectl) -> None:
    columns = three("get", "cm", "-o", "custom-columns=NAME:.metadata.name,RANK:.data.rank,NONE:.data.none")
    assert [line.split() for line in columns.splitlines()] == [
        ["NAME", "RANK", "NONE"], ["a", "3", "<none>"], ["b", "1", "<none>"], ["c", "2", "<none>"],
    ]  # fmt: skip
    assert three("get", "cm", "-o", "jsonpath={.items[?(@.data.rank=='1')].metadata.name}") == "b"
    assert three("get", "cm", "-o", "jsonpath={range .items[*]}{.metadata.name}{'\\n'}{end}").split() == [*"abc"]
    assert three("get", "cm", "-o", "go-template={{len .items}}") == "3"


def test_sorting(three: Kubectl) -> None:
    assert three("get", "cm", "--sort-by", ".data.rank", "-o", "name").split() == [
        "configmap/b", "configmap/c", "configmap/a",
    ]  # fmt: skip
    assert [line.split()[0] for line in three("get", "cm", "--sort-by", "{.data.rank}").splitlines()[1:]] == [*"bca"]
    by_age = three("get", "cm", "--sort-by", ".metadata.creationTimestamp", "--no-headers")
    assert len(by_age.splitlines()) == 3


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        (("-l", "tier=web"), "ab"),
        (("-l", "tier!=web"), "c"),
        (("-l", "tier in (web, db),stage"), "a"),
        (("-l", "!stage"), "bc"),
        (("--field-selector", "metadata.name=b"), "b"),
        (("--field-selector", "metadata.name!=b"), "ac"),
        (("-l", "tier=web", "--field-selector", "metadata.name!=a"), "b"),
    ],
)
def test_selectors(three: Kubectl, selector: tuple[str, ...], names: str) -> None:
    assert three("get", "cm", *selector, "-o", "name").split() == [f"configmap/{name}" for name in names]


def test_field_selectors_of_pods(kubectl: Kubectl) -> None:
    kubectl.apply(pod("one"), pod("two"))
    assert kubectl("get", "pods", "--field-selector", "status.phase=Pending,spec.nodeName=", "-o", "name").split() == [
        "pod/one", "pod/two",
    ]  # fmt: skip
    assert kubectl("get", "pods", "--field-selector", "status.phase=Running", "-o", "name") == ""
    assert "field label not supported" in kubectl.refusal("get", "pods", "--field-selector", "spec.color=blue")


def test_pages(three: Kubectl) -> None:
    paged = three.run("get", "cm", "--chunk-size", "1", "-o", "name", "-v", "6")
    assert paged.stdout.split() == ["configmap/a", "configmap/b", "configmap/c"]
    assert paged.stderr.count("limit=1") == 3
    assert paged.stderr.count("continue=") == 2


def test_raw(three: Kubectl) -> None:
    path = f"/api/v1/namespaces/{three.namespace}/configmaps"
    listed = json.loads(three("get", "--raw", path))
    assert listed["kind"] == "ConfigMapList"
    assert three("get", "--raw", "/readyz") == "ok"
    created = three("create", "--raw", path, "-f", "-", stdin=json.dumps(config_map("raw")))
    assert json.loads(created)["metadata"]["name"] == "raw"
    assert json.loads(three("delete", "--raw", f"{path}/raw"))["status"] == "Success"


def test_what_is_not_there(kubectl: Kubectl) -> None:
    assert 'configmaps "nothing" not found' in kubectl.refusal("get", "cm", "nothing")
    assert kubectl("get", "cm", "nothing", "--ignore-not-found") == ""
    assert 'the server doesn\'t have a resource type "unicorns"' in kubectl.refusal("get", "unicorns")
    assert "No resources found" in kubectl.run("get", "pods").stderr


def test_watch(three: Kubectl) -> None:
    with three.started("get", "cm", "-w", "-o", "name", "--output-watch-events=false") as watching:
        assert watching.stdout is not None
        assert [watching.stdout.readline().strip() for _ in range(3)] == [f"configmap/{name}" for name in "abc"]
        three("label", "cm", "b", "seen=yes")
        assert watching.stdout.readline().strip() == "configmap/b"
    with three.started("get", "cm", "-w", "--output-watch-events") as watching:
        assert watching.stdout is not None
        seen = iter(watching.stdout.readline, "")
        assert next(seen).split() == ["EVENT", "NAME", "DATA", "AGE"]
        assert [next(seen).split()[:2] for _ in range(3)] == [["ADDED", name] for name in "abc"]
        three.apply(config_map("d"))
        three("delete", "cm", "d")
        assert next(seen).split()[:2] == ["ADDED", "d"]
        assert next(line for line in seen if line.startswith("DELETED")).split()[1] == "d"
