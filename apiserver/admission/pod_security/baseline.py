"""The baseline level: prevents known ways to more rights than a pod has.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.quoting import quoted
from apiserver.admission.pod_security.check import (
    Check,
    CheckFunction,
    Pod,
    Violation,
    containers,
    member,
    names,
    one_or_more,
    set_somewhere,
)
from apiserver.registry.pod_annotations import APP_ARMOR, SECCOMP_CONTAINER, SECCOMP_POD

CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
        "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }
)  # fmt: skip
PROFILES = ("Localhost", "RuntimeDefault")
_SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
    }
)  # fmt: skip
_SYSCTLS_1_27 = _SYSCTLS | {"net.ipv4.ip_local_reserved_ports"}
_SYSCTLS_1_29 = _SYSCTLS_1_27 | {
    f"net.ipv4.{name}"
    for name in ("tcp_keepalive_time", "tcp_fin_timeout", "tcp_keepalive_intvl", "tcp_keepalive_probes")
}
_SYSCTLS_1_32 = _SYSCTLS_1_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}


def app_armor_profile(pod: Pod) -> Violation | None:
    """AppArmor may be told to use another profile, but not to use none."""
    who, types = set_somewhere(pod, lambda kind: kind not in PROFILES, "appArmorProfile", "type")
    annotations = sorted(
        f"{key}={quoted(value)}"
        for key, value in pod.metadata.annotations.items()
        if key.startswith(APP_ARMOR) and value not in ("", "runtime/default") and not value.startswith("localhost/")
    )
    if not types and not annotations:
        return None
    values = [*sorted(set(types)), *annotations]
    by = [who] * bool(who) + [one_or_more("annotation", len(annotations))] * bool(annotations)
    return Violation(
        one_or_more("forbidden AppArmor profile", len(values)),
        f"{' and '.join(by)} must not set AppArmor profile type to {names(values)}",
    )


def capabilities(pod: Pod) -> Violation | None:
    """Nothing may be added to what container runtimes give anyway."""
    bad, added = [], set()
    for container in pod.containers:
        beyond = set(member(container.securityContext, "capabilities", "add") or ()) - CAPABILITIES
        added |= beyond
        bad += [container.name] * bool(beyond)
    if not bad:
        return None
    return Violation(
        "non-default capabilities",
        f"{containers(bad)} must not include {names(sorted(added))} in securityContext.capabilities.add",
    )


def host_namespaces(pod: Pod) -> Violation | None:
    shared = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if getattr(pod.spec, name)]
    return Violation("host namespaces", ", ".join(shared)) if shared else None


def host_path_volumes(pod: Pod) -> Violation | None:
    bad = [volume.name for volume in pod.spec.volumes if volume.hostPath is not None]
    return Violation("hostPath volumes", f"{one_or_more('volume', len(bad))} {names(bad)}") if bad else None


def host_ports(pod: Pod) -> Violation | None:
    used = {
        container.name: [port.hostPort for port in container.ports if port.hostPort] for container in pod.containers
    }
    bad = [name for name, ports in used.items() if ports]
    if not bad:
        return None
    ports = sorted({str(port) for each in used.values() for port in each})
    use = "uses" if len(bad) == 1 else "use"
    return Violation("hostPort", f"{containers(bad)} {use} {one_or_more('hostPort', len(ports))} {', '.join(ports)}")


def host_probes_and_lifecycle(pod: Pod) -> Violation | None:
    """Probes and hooks go to the pod itself: the kubelet is nobody's way into the node's network."""
    used = {container.name: {host for host in _probed_hosts(container) if host} for container in pod.containers}
    bad = sorted(name for name, hosts in used.items() if hosts)
    if not bad:
        return None
    hosts = sorted(set().union(*used.values()))
    use, what = "uses" if len(bad) == 1 else "use", one_or_more("probe or lifecycle host", len(hosts))
    return Violation("probe or lifecycle host", f"{containers(bad)} {use} {what} {names(hosts)}")


def _probed_hosts(container: Any) -> Iterator[str | None]:
    handlers = [getattr(container, name) for name in ("livenessProbe", "readinessProbe", "startupProbe")]
    handlers += [member(container.lifecycle, name) for name in ("postStart", "preStop")]
    for handler in handlers:
        yield member(handler, "httpGet", "host")
        yield member(handler, "tcpSocket", "host")


def privileged(pod: Pod) -> Violation | None:
    bad = [each.name for each in pod.containers if member(each.securityContext, "privileged")]
    return Violation("privileged", f"{containers(bad)} must not set securityContext.privileged=true") if bad else None


def proc_mount(pod: Pod) -> Violation | None:
    mounts = {each.name: member(each.securityContext, "procMount") for each in pod.containers}
    bad = [name for name, mount in mounts.items() if mount not in (None, "Default")]
    if not bad:
        return None
    values = names(sorted({mounts[name] for name in bad}))
    return Violation("procMount", f"{containers(bad)} must not set securityContext.procMount to {values}")


def proc_mount_1_35(pod: Pod) -> Violation | None:
    return None if pod.has_own_users else proc_mount(pod)


def _selinux_options(types: frozenset[str]) -> CheckFunction:
    """SELinux may be told one of the types that containers are meant for, and no user or role."""

    def is_bad(options: Any) -> bool:
        return bool(options.type not in types or options.user or options.role)

    def check(pod: Pod) -> Violation | None:
        who, bad = set_somewhere(pod, is_bad, "seLinuxOptions")
        if not bad:
            return None
        wrong = sorted({options.type for options in bad} - types)
        found = [f"{one_or_more('type', len(wrong))} {names(wrong)}"] * bool(wrong)
        found += [f"{what} may not be set" for what in ("user", "role") if any(getattr(each, what) for each in bad)]
        return Violation("seLinuxOptions", f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(found)}")

    return check


def seccomp_annotations(pod: Pod) -> Violation | None:
    """Before there were fields, annotations said which seccomp profile to use."""
    keys = [SECCOMP_POD, *(SECCOMP_CONTAINER + container.name for container in pod.containers)]
    found = {key: pod.metadata.annotations[key] for key in keys if key in pod.metadata.annotations}
    bad = sorted(
        f"{key}={quoted(value)}"
        for key, value in found.items()
        if value not in ("runtime/default", "docker/default") and not value.startswith("localhost/")
    )
    if not bad:
        return None
    return Violation("seccompProfile", f"forbidden {one_or_more('annotation', len(bad))} {', '.join(bad)}")


def seccomp_profile(pod: Pod) -> Violation | None:
    who, types = set_somewhere(pod, lambda kind: kind not in PROFILES, "seccompProfile", "type")
    if not types:
        return None
    values = names(sorted(set(types)))
    return Violation("seccompProfile", f"{who} must not set securityContext.seccompProfile.type to {values}")


def _sysctls(allowed: frozenset[str]) -> CheckFunction:
    """Only those kernel settings that belong to the pod alone."""

    def check(pod: Pod) -> Violation | None:
        bad = [each.name for each in member(pod.spec.securityContext, "sysctls") or () if each.name not in allowed]
        return Violation("forbidden sysctls", ", ".join(bad)) if bad else None

    return check


def windows_host_process(pod: Pod) -> Violation | None:
    who, values = set_somewhere(pod, bool, "windowsOptions", "hostProcess")
    if not values:
        return None
    return Violation("hostProcess", f"{who} must not set securityContext.windowsOptions.hostProcess=true")


CHECKS = (
    Check("appArmorProfile", ((0, app_armor_profile),)),
    Check("capabilities_baseline", ((0, capabilities),)),
    Check("hostNamespaces", ((0, host_namespaces),)),
    Check("hostPathVolumes", ((0, host_path_volumes),)),
    Check("hostPorts", ((0, host_ports),)),
    Check("hostProbesAndHostLifecycle", ((34, host_probes_and_lifecycle),)),
    Check("privileged", ((0, privileged),)),
    Check("procMount", ((0, proc_mount), (35, proc_mount_1_35))),
    Check(
        "seLinuxOptions",
        ((0, _selinux_options(_SELINUX_TYPES)), (31, _selinux_options(_SELINUX_TYPES | {"container_engine_t"}))),
    ),
    Check("seccompProfile_baseline", ((0, seccomp_annotations), (19, seccomp_profile))),
    Check(
        "sysctls",
        (
            (0, _sysctls(_SYSCTLS)), (27, _sysctls(_SYSCTLS_1_27)), (29, _sysctls(_SYSCTLS_1_29)),
            (32, _sysctls(_SYSCTLS_1_32)),
        ),
    ),
    Check("windowsHostProcess", ((0, windows_host_process),)),
)  # fmt: skip
"""In the order in which they complain."""
