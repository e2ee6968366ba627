"""The Pod Security Standards: each check, its versions, and what a namespace asks for."""

from __future__ import annotations

from typing import Any

import pytest

from api.apps_v1 import Deployment
from api.core_v1 import Namespace, Pod
from api.errors import Forbidden, Invalid
from api.meta_v1 import ObjectMeta
from apiserver.admission.pod_security.plugin import PodSecurity
from apiserver.admission.pod_security.policy import LevelVersion, Policy, minor_of, policy_of
from apiserver.admission.pod_security.standards import violations
from apiserver.configuration_file import ConfigurationError
from tests.admission.requests import request
from tests.registry.builders import namespace

PREFIX = "pod-security.kubernetes.io/"
SAFE: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(spec: dict[str, Any] | None = None, name: str = "p", **annotations: str) -> Pod:
    given = {"containers": [{"name": "c", "image": "i"}], **(spec or {})}
    return Pod.from_dict({"metadata": {"name": name, "namespace": "n", "annotations": annotations}, "spec": given})


def of_context(**fields: Any) -> dict[str, Any]:
    """A pod's spec whose only container has this security context."""
    return {"containers": [{"name": "c", "image": "i", "securityContext": fields}]}


def found(level: str, version: str, obj: Pod) -> list[str]:
    minor = minor_of(version)
    assert minor is not None
    return [str(each) for each in violations(LevelVersion(level, minor), obj.metadata, obj.spec)]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"hostNetwork": True, "hostIPC": True}, "host namespaces (hostNetwork=true, hostIPC=true)"),
        (of_context(privileged=True), 'privileged (container "c" must not set securityContext.privileged=true)'),
        (
            of_context(capabilities={"add": ["SYS_TIME", "KILL", "BPF"]}),
            'non-default capabilities (container "c" must not include "BPF", "SYS_TIME" in '
            "securityContext.capabilities.add)",
        ),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, 'hostPath volumes (volume "v")'),
        (
            {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 1, "hostPort": 9}]}]},
            'hostPort (container "c" uses hostPort 9)',
        ),
        (
            {
                "containers": [
                    {"name": "c", "image": "i", "lifecycle": {"preStop": {"httpGet": {"port": 1, "host": "h"}}}}
                ]
            },
            'probe or lifecycle host (container "c" uses probe or lifecycle host "h")',
        ),
        (
            of_context(seLinuxOptions={"user": "u", "role": "r"}),
            'seLinuxOptions (container "c" set forbidden securityContext.seLinuxOptions: user may not be set; role may '
            "not be set)",
        ),
        (
            {"securityContext": {"seccompProfile": {"type": "Unconfined"}}, **of_context(seccompProfile={"type": "X"})},
            'seccompProfile (pod and container "c" must not set securityContext.seccompProfile.type to "Unconfined", '
            '"X")',
        ),
        (
            {"securityContext": {"windowsOptions": {"hostProcess": True}}},
            "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
        ),
        (
            of_context(procMount="Unmasked"),
            'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
        ),
        (
            {"securityContext": {"sysctls": [{"name": "a", "value": "1"}, {"name": "b", "value": "1"}]}},
            "forbidden sysctls (a, b)",
        ),
    ],
)
def test_the_baseline(spec: dict[str, Any], problem: str) -> None:
    assert found("baseline", "latest", pod(spec)) == [problem]
    assert found("privileged", "latest", pod(spec)) == []


def test_app_armor_by_field_and_by_annotation() -> None:
    key = "container.apparmor.security.beta.kubernetes.io/c"
    obj = pod({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}, **{key: "unconfined"})
    assert found("baseline", "latest", obj) == [
        'forbidden AppArmor profiles (pod and annotation must not set AppArmor profile type to "Unconfined", '
        f'"{key}="unconfined"")'
    ]
    assert found("baseline", "latest", pod(None, **{key: "localhost/mine"})) == []


@pytest.mark.parametrize(
    ("version", "name", "allowed"),
    [
        ("v1.26", "net.ipv4.ip_local_reserved_ports", False),
        ("v1.27", "net.ipv4.ip_local_reserved_ports", True),
        ("v1.28", "net.ipv4.tcp_fin_timeout", False),
        ("v1.29", "net.ipv4.tcp_fin_timeout", True),
        ("v1.31", "net.ipv4.tcp_rmem", False),
        ("v1.32", "net.ipv4.tcp_rmem", True),
        ("v1.0", "net.ipv4.tcp_syncookies", True),
    ],
)
def test_sysctls_that_came_to_be_safe(version: str, name: str, allowed: bool) -> None:
    obj = pod({"securityContext": {"sysctls": [{"name": name, "value": "1"}]}})
    assert (found("baseline", version, obj) == []) is allowed


@pytest.mark.parametrize(
    ("level", "version", "spec", "allowed"),
    [
        ("baseline", "v1.30", of_context(seLinuxOptions={"type": "container_engine_t"}), False),
        ("baseline", "v1.31", of_context(seLinuxOptions={"type": "container_engine_t"}), True),
        ("baseline", "v1.34", {"hostUsers": False, **of_context(procMount="Unmasked")}, False),
        ("baseline", "v1.35", {"hostUsers": False, **of_context(procMount="Unmasked")}, True),
        ("restricted", "v1.35", {"hostUsers": False, **of_context(**SAFE, procMount="Unmasked")}, False),
        ("restricted", "v1.7", of_context(runAsNonRoot=True), True),
        ("restricted", "v1.8", of_context(runAsNonRoot=True), False),
        ("restricted", "v1.22", of_context(**SAFE, runAsUser=0), True),
        ("restricted", "v1.23", of_context(**SAFE, runAsUser=0), False),
        ("restricted", "v1.34", {"hostUsers": False, **of_context(**SAFE, runAsUser=0)}, False),
        ("restricted", "v1.35", {"hostUsers": False, **of_context(**SAFE, runAsUser=0)}, True),
        ("restricted", "v1.35", {"hostUsers": False, **of_context(**{**SAFE, "runAsNonRoot": None})}, True),
        ("restricted", "v1.24", {"os": {"name": "windows"}, **of_context(runAsNonRoot=True)}, False),
        ("restricted", "v1.25", {"os": {"name": "windows"}, **of_context(runAsNonRoot=True)}, True),
        ("restricted", "latest", of_context(**SAFE), True),
        ("restricted", "v1.999", of_context(**SAFE), True),
    ],
)
def test_versions(level: str, version: str, spec: dict[str, Any], allowed: bool) -> None:
    assert (found(level, version, pod(spec)) == []) is allowed


def test_before_there_were_fields_annotations_named_profiles() -> None:
    key = "container.seccomp.security.alpha.kubernetes.io/c"
    obj = pod(None, **{key: "unconfined"})
    assert found("baseline", "v1.18", obj) == [f'seccompProfile (forbidden annotation {key}="unconfined")']
    assert found("baseline", "v1.19", obj) == []


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (
            {"securityContext": {"runAsNonRoot": False}, **of_context(**SAFE)},
            "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)",
        ),
        (
            of_context(**{**SAFE, "capabilities": {"add": ["KILL"]}}),
            'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]; container '
            '"c" must not include "KILL" in securityContext.capabilities.add)',
        ),
        (
            {"volumes": [{"name": "v", "nfs": {"server": "s", "path": "/"}}], **of_context(**SAFE)},
            'restricted volume types (volume "v" uses restricted volume type "nfs")',
        ),
        (
            {"volumes": [{"name": "v", "hostPath": {"path": "/"}}], **of_context(**SAFE)},
            'restricted volume types (volume "v" uses restricted volume type "hostPath")',
        ),
    ],
)
def test_the_restricted_level_takes_the_place_of_weaker_checks(spec: dict[str, Any], problem: str) -> None:
    assert found("restricted", "latest", pod(spec)) == [problem]


def test_labels_that_are_wrong() -> None:
    labels = {f"{PREFIX}enforce": "no", f"{PREFIX}warn": "no", f"{PREFIX}audit-version": "v1.01"}
    policy, errors = policy_of(labels, Policy())
    assert (str(policy.enforce), str(policy.warn), str(policy.audit)) == (
        "restricted:latest", "privileged:latest", "privileged:latest",
    )  # fmt: skip
    assert [error.field for error in errors] == [
        f"metadata.labels[{PREFIX}{name}]" for name in ("enforce", "audit-version", "warn")
    ]


def asking(name: str = "n", **labels: str) -> Namespace:
    given = {PREFIX + key.replace("_", "-"): value for key, value in labels.items()}
    return Namespace(metadata=ObjectMeta(name=name, labels=given))


def test_modes() -> None:
    asked = request(pod({"hostPID": True}), asking(enforce="privileged", audit="baseline", warn="baseline"))
    PodSecurity().validate(asked)
    text = 'would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)'
    assert asked.warnings == [text]
    assert asked.audit_annotations == {
        f"{PREFIX}enforce-policy": "privileged:latest",
        f"{PREFIX}audit-violations": text,
    }
    with pytest.raises(Forbidden, match=r'violates PodSecurity "baseline:v1\.30": host namespaces'):
        PodSecurity().validate(request(pod({"hostPID": True}), asking(enforce="baseline", enforce_version="v1.30")))


def test_a_template_is_not_refused() -> None:
    template = {"spec": {"hostPID": True, "containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {}}, "template": template}
    obj = Deployment.from_dict({"metadata": {"name": "d", "namespace": "n"}, "spec": spec})
    asked = request(obj, asking(enforce="baseline"))
    PodSecurity().validate(asked)
    assert asked.warnings == ['would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)']


@pytest.mark.parametrize(
    ("new", "refused"),
    [
        ({"hostPID": True, "terminationGracePeriodSeconds": 5}, False),
        ({"hostPID": True, "containers": [{"name": "c", "image": "another"}]}, True),
        ({"hostPID": True, "ephemeralContainers": [{"name": "e", "image": "i"}]}, True),
    ],
)
def test_updates_that_make_no_difference_pass(new: dict[str, Any], refused: bool) -> None:
    asked = request(pod(new), asking(enforce="baseline"), operation="UPDATE", old=pod({"hostPID": True}))
    if refused:
        with pytest.raises(Forbidden):
            PodSecurity().validate(asked)
    else:
        PodSecurity().validate(asked)
        assert asked.warnings == []


def test_a_stricter_level_tells_of_the_pods_there_are() -> None:
    pods = [pod({"hostPID": True}, f"p{number}") for number in range(3)] + [pod(of_context(privileged=True), "q")]
    asked = request(asking(enforce="baseline"), *pods, operation="UPDATE", old=asking())
    PodSecurity().validate(asked)
    assert asked.warnings == [
        'existing pods in namespace "n" violate the new PodSecurity enforce level "baseline:latest"',
        "p0 (and 2 other pods): host namespaces",
        "q: privileged",
    ]
    relaxed = request(asking(enforce="baseline"), *pods, operation="UPDATE", old=asking(enforce="restricted"))
    PodSecurity().validate(relaxed)
    assert relaxed.warnings == []


def test_labels_that_were_wrong_before_may_stay() -> None:
    with pytest.raises(Invalid, match=r'Namespace "n" is invalid: .*must be one of privileged, baseline, restricted'):
        PodSecurity().validate(request(asking(enforce="no")))
    PodSecurity().validate(request(asking(enforce="no"), operation="UPDATE", old=asking(enforce="no")))


CONFIGURATION: dict[str, Any] = {
    "apiVersion": "pod-security.admission.config.k8s.io/v1",
    "kind": "PodSecurityConfiguration",
    "defaults": {"enforce": "baseline", "enforce-version": "latest"},
    "exemptions": {"usernames": ["trusted"], "namespaces": ["kube-system"], "runtimeClasses": ["kata"]},
}


def test_a_configuration_gives_defaults_and_exemptions() -> None:
    plugin = PodSecurity.configured(CONFIGURATION)
    bad = {"hostPID": True}
    with pytest.raises(Forbidden, match='violates PodSecurity "baseline:latest"'):
        plugin.validate(request(pod(bad), namespace()))
    exempt = request(pod(bad), namespace(), user="trusted")
    plugin.validate(exempt)
    assert exempt.audit_annotations == {f"{PREFIX}exempt": "user"}
    plugin.validate(request(pod({**bad, "runtimeClassName": "kata"}), namespace()))
    ignored = request(asking("kube-system", enforce="restricted"))
    plugin.validate(ignored)
    assert ignored.warnings == [
        'namespace "kube-system" is exempt from Pod Security, and the policy (enforce=restricted:latest) will be '
        "ignored"
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "Other"},
        {"defaults": {"enforce": "lenient"}},
        {"defaults": {"warn-version": "1.2"}},
        {"defaults": {"mode": "x"}},
        {"exemptions": {"usernames": "root"}},
        {"exemptions": {"users": []}},
    ],
)
def test_configurations_that_cannot_be_used(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        PodSecurity.configured({**CONFIGURATION, **change})
