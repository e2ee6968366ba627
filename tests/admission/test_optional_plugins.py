"""The plugins that are off unless they are enabled, and how they are."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.core_v1 import Event, Namespace, Pod
from api.errors import Forbidden, NotFound, TooManyRequests
from api.meta_v1 import ObjectMeta
from apiserver.admission.always_pull_images import AlwaysPullImages
from apiserver.admission.configuration import load
from apiserver.admission.deny_service_external_ips import DenyServiceExternalIPs
from apiserver.admission.dynamic import DynamicAdmission
from apiserver.admission.event_rate_limit import EventRateLimit
from apiserver.admission.extended_resource_toleration import ExtendedResourceToleration
from apiserver.admission.limit_pod_hard_anti_affinity_topology import LimitPodHardAntiAffinityTopology
from apiserver.admission.namespace_exists import NamespaceExists
from apiserver.admission.pod_node_selector import PodNodeSelector
from apiserver.admission.pod_toleration_restriction import PodTolerationRestriction
from apiserver.admission.table import DEFAULT_OFF, NAMES, plugins
from apiserver.configuration_file import ConfigurationError
from tests.admission.requests import request
from tests.registry.builders import namespace, pod, service


def annotated(**annotations: str) -> Namespace:
    given = {f"scheduler.alpha.kubernetes.io/{key}": value for key, value in annotations.items()}
    return Namespace(metadata=ObjectMeta(name="n", annotations=given))


def test_names_and_order() -> None:
    on = [plugin.name for plugin in plugins()]
    assert not DEFAULT_OFF & {*on}
    assert (on[0], on[-1]) == ("NamespaceLifecycle", "ResourceQuota")
    chosen = [plugin.name for plugin in plugins(["AlwaysDeny", "NodeRestriction"], ["PodSecurity"])]
    assert chosen.index("ServiceAccount") + 1 == chosen.index("NodeRestriction")
    assert chosen[-1] == "AlwaysDeny"
    assert "PodSecurity" not in chosen
    assert {plugin.name for plugin in plugins({*NAMES} - {"EventRateLimit", "ImagePolicyWebhook"})} <= {*NAMES}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--enable-admission-plugins", "Nothing"], 'enable-admission-plugins plugin "Nothing" is unknown'),
        (["--disable-admission-plugins", "Priority,Nothing"], 'disable-admission-plugins plugin "Nothing" is unknown'),
        (
            ["--enable-admission-plugins=Priority", "--disable-admission-plugins=Priority"],
            "[Priority] in enable-admission-plugins and disable-admission-plugins overlapped",
        ),
        (["--enable-admission-plugins=EventRateLimit"], "EventRateLimit: limits must not be empty"),
        (["--admission-control-config-file=/no/such/file"], "cannot read /no/such/file: No such file or directory"),
    ],
)
def test_a_server_that_is_told_nonsense_does_not_start(tmp_path: Path, flags: list[str], message: str) -> None:
    command = [sys.executable, "-m", "apiserver", "--data-dir", str(tmp_path), "--secure-port", "0", *flags]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode != 0
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_configurations_are_in_the_file_or_named_by_it(tmp_path: Path) -> None:
    (tmp_path / "selectors.yaml").write_text("podNodeSelectorPluginConfig: {clusterDefaultNodeSelector: a=b}\n")
    file = tmp_path / "admission.yaml"
    head = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\n"
    file.write_text(
        f"{head}plugins:\n- name: PodNodeSelector\n  path: selectors.yaml\n- name: Other\n  configuration: {{a: 1}}\n"
    )
    assert load(file) == {
        "PodNodeSelector": {"podNodeSelectorPluginConfig": {"clusterDefaultNodeSelector": "a=b"}},
        "Other": {"a": 1},
    }
    file.write_text("kind: Other\n")
    with pytest.raises(ConfigurationError, match="expected kind AdmissionConfiguration"):
        load(file)
    file.write_text("{")
    with pytest.raises(ConfigurationError):
        load(file)
    file.write_text(f"{head}plugins: []\nplugins: []\n")
    with pytest.raises(ConfigurationError, match='key "plugins" already set in map'):
        load(file)
    file.write_text(f"{head}plugins:\n- name: PodNodeSelector\n  path: missing.yaml\n")
    with pytest.raises(ConfigurationError, match=r"cannot read .*missing.yaml: No such file"):
        load(file)


def test_images_are_always_pulled() -> None:
    obj = pod(
        initContainers=[{"name": "i", "image": "i", "imagePullPolicy": "Never"}],
        volumes=[{"name": "v", "image": {"reference": "r", "pullPolicy": "Never"}}],
    )
    with pytest.raises(Forbidden, match=r'spec.initContainers\[0\].imagePullPolicy: Unsupported value: "Never"'):
        AlwaysPullImages().validate(request(obj))
    AlwaysPullImages().mutate(request(obj))
    AlwaysPullImages().validate(request(obj))
    assert [each.imagePullPolicy for each in (*obj.spec.initContainers, *obj.spec.containers)] == ["Always"] * 2
    old, same = pod(), pod()
    AlwaysPullImages().mutate(request(same, operation="UPDATE", old=old))
    assert same.encode() == old.encode()


def test_external_addresses_of_services_only_become_fewer() -> None:
    two, one, another = (service(externalIPs=ips) for ips in (["1.1.1.1", "1.1.1.2"], ["1.1.1.1"], ["1.1.1.3"]))
    plugin = DenyServiceExternalIPs()
    plugin.validate(request(service()))
    plugin.validate(request(one, operation="UPDATE", old=two))
    for asked in (request(one), request(another, operation="UPDATE", old=two)):
        with pytest.raises(Forbidden, match="Use of external IPs is denied by admission control"):
            plugin.validate(asked)


def test_extended_resources_are_tolerated() -> None:
    asked = {"requests": {"example.com/gpu": "1", "cpu": "1"}}
    obj = pod(containers=[{"name": "c", "image": "i", "resources": asked}])
    shared = obj.spec
    ExtendedResourceToleration().mutate(request(obj, operation="UPDATE", old=obj))
    assert [(each.key, each.operator, each.effect) for each in obj.spec.tolerations] == [
        ("example.com/gpu", "Exists", "NoSchedule")
    ]
    assert shared.tolerations == []
    ExtendedResourceToleration().mutate(request(obj))
    assert len(obj.spec.tolerations) == 1


def test_hard_anti_affinity_is_about_nodes() -> None:
    def wanting(key: str) -> Pod:
        term = {"topologyKey": key, "labelSelector": {}}
        return pod(affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}})

    LimitPodHardAntiAffinityTopology().validate(request(wanting("kubernetes.io/hostname")))
    with pytest.raises(Forbidden, match="has TopologyKey zone but only key"):
        LimitPodHardAntiAffinityTopology().validate(request(wanting("zone")))


def test_namespaces_exist() -> None:
    NamespaceExists().mutate(request(pod(), namespace()))
    with pytest.raises(NotFound, match='namespaces "n" not found'):
        NamespaceExists().validate(request(None, operation="DELETE", old=pod()))


def test_node_selectors_of_namespaces() -> None:
    plugin = PodNodeSelector.configured(
        {"podNodeSelectorPluginConfig": {"clusterDefaultNodeSelector": "tier=std", "n": "tier=gold,disk=ssd"}}
    )
    obj = pod(nodeSelector={"disk": "ssd"})
    plugin.mutate(request(obj, annotated(**{"node-selector": "tier=gold"})))
    assert obj.spec.nodeSelector == {"tier": "gold", "disk": "ssd"}
    plugin.validate(request(obj, annotated(**{"node-selector": "tier=gold"})))
    with pytest.raises(Forbidden, match="pod node label selector conflicts with its namespace node label selector"):
        plugin.mutate(request(pod(nodeSelector={"tier": "gold"}), namespace()))
    with pytest.raises(Forbidden, match="labels conflict with its namespace whitelist"):
        plugin.validate(request(pod(nodeSelector={"zone": "a"}), annotated(**{"node-selector": ""})))
    with pytest.raises(ConfigurationError, match="invalid selector: a"):
        PodNodeSelector.configured({"podNodeSelectorPluginConfig": {"n": "a"}})


def test_tolerations_of_namespaces() -> None:
    plugin = PodTolerationRestriction()
    given = annotated(
        defaultTolerations='[{"key": "a", "operator": "Exists"}]',
        tolerationsWhitelist='[{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Equal", "value": "1"}]',
    )
    obj = pod(tolerations=[{"key": "b", "operator": "Equal", "value": "1"}])
    plugin.mutate(request(obj, given))
    assert [each.key for each in obj.spec.tolerations] == ["a", "b"]
    with pytest.raises(Forbidden, match="conflict with its namespace whitelist"):
        plugin.mutate(request(pod(tolerations=[{"operator": "Exists"}]), given))
    with pytest.raises(Forbidden, match="cannot be read"):
        plugin.mutate(request(pod(), annotated(defaultTolerations="{")))


def test_tolerations_of_the_cluster() -> None:
    plugin = PodTolerationRestriction.configured(
        {
            "apiVersion": "podtolerationrestriction.admission.k8s.io/v1alpha1",
            "kind": "Configuration",
            "default": [{"key": "a", "operator": "Exists"}],
            "whitelist": [{"key": "a", "operator": "Exists"}],
        }
    )
    needy = pod(containers=[{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}])
    with pytest.raises(Forbidden, match="conflict with its cluster whitelist"):
        plugin.mutate(request(needy, namespace()))  # memory pressure is tolerated by who asks for resources
    modest = pod()
    plugin.mutate(request(modest, namespace()))
    assert [each.key for each in modest.spec.tolerations] == ["a"]


def event(name: str) -> Event:
    involved = {"kind": "Pod", "namespace": "n", "name": name}
    return Event.from_dict({"metadata": {"name": name, "namespace": "n"}, "involvedObject": involved})


def test_events_come_at_a_rate() -> None:
    limits: list[dict[str, Any]] = [
        {"type": "Server", "qps": 100, "burst": 100},
        {"type": "SourceAndObject", "qps": 1, "burst": 2},
    ]
    plugin = EventRateLimit.configured(
        {"apiVersion": "eventratelimit.admission.k8s.io/v1alpha1", "kind": "Configuration", "limits": limits}
    )
    asked = request(event("a"))
    for _ in range(2):
        plugin.validate(asked)
    with pytest.raises(TooManyRequests, match="limit reached on type SourceAndObject for key Podna"):
        plugin.validate(asked)
    plugin.validate(request(event("b")))
    object.__setattr__(asked.context, "now", asked.context.now + timedelta(seconds=1))
    plugin.validate(asked)
    with pytest.raises(TooManyRequests):
        plugin.validate(asked)
    with pytest.raises(ConfigurationError, match=r"limits\[0\].qps: must be positive"):
        EventRateLimit.configured({"kind": "Configuration", "limits": [{**limits[0], "qps": 0}],
                                   "apiVersion": "eventratelimit.admission.k8s.io/v1alpha1"})  # fmt: skip


def test_webhooks_and_policies_can_be_turned_off_too() -> None:
    cache = SimpleNamespace(count=lambda prefix: "webhook" in prefix)
    disabled = frozenset({"MutatingAdmissionWebhook", "ValidatingAdmissionPolicy"})
    dynamic = DynamicAdmission(cast(Any, SimpleNamespace(cache=cache, disabled=disabled)))
    assert not dynamic.mutates
    assert dynamic.validates
