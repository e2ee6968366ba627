"""The rules of security contexts, of containers and of pods.

See https://kubernetes.io/docs/tasks/configure-pod-container/security-context/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from api.core_v1 import AppArmorProfile, PodSpec, SeccompProfile, SecurityContext
from api.errors import FieldError, duplicate, forbidden, invalid_value, not_supported, required
from apiserver.registry.internal_form import internal

_LARGEST_ID = 2**31 - 1
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
_is_sysctl = re.compile(_SYSCTL).match
_NOT_WINDOWS = "cannot be set for a windows pod"
_NOT_LINUX = "windows options cannot be set for a linux pod"


def in_range(value: int | None, path: str, least: int = 0) -> Iterator[FieldError]:
    """User and group ids, and other numbers that have 31 bits."""
    if value is not None and not least <= value <= _LARGEST_ID:
        yield invalid_value(path, value, f"must be between {least} and {_LARGEST_ID}, inclusive")


def validate_security_context(context: SecurityContext, path: str, host_users: bool) -> Iterator[FieldError]:
    """Complaints about a container's security context."""
    yield from in_range(context.runAsUser, f"{path}.runAsUser")
    yield from in_range(context.runAsGroup, f"{path}.runAsGroup")
    mount = context.procMount
    if mount is not None:
        if mount not in ("Default", "Unmasked"):
            yield not_supported(f"{path}.procMount", mount, ("Default", "Unmasked"))
        if mount == "Unmasked" and host_users:
            yield invalid_value(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`")
    yield from _validate_profile(context.seccompProfile, f"{path}.seccompProfile", "seccomp")
    if context.allowPrivilegeEscalation is False:
        if context.privileged:
            detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            yield invalid_value(path, internal(context), detail)
        if context.capabilities is not None and "CAP_SYS_ADMIN" in context.capabilities.add:
            detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            yield invalid_value(path, internal(context), detail)
    yield from _validate_profile(context.appArmorProfile, f"{path}.appArmorProfile", "AppArmor")


def validate_pod_security_context(spec: PodSpec, path: str) -> Iterator[FieldError]:
    """Complaints about a pod's security context; `path` is that of the pod's spec."""
    context = spec.securityContext
    where = f"{path}.securityContext"
    if context is None:
        return
    yield from in_range(context.fsGroup, f"{where}.fsGroup")
    yield from in_range(context.runAsUser, f"{where}.runAsUser")
    yield from in_range(context.runAsGroup, f"{where}.runAsGroup")
    for index, group in enumerate(context.supplementalGroups):
        yield from in_range(group, f"{where}.supplementalGroups[{index}]")
    if spec.shareProcessNamespace and spec.hostPID:
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid_value(f"{where}.shareProcessNamespace", True, detail)
    yield from _validate_sysctls(spec, f"{where}.sysctls")
    policy = context.fsGroupChangePolicy
    if policy is not None and policy not in ("Always", "OnRootMismatch"):
        yield not_supported(f"{where}.fsGroupChangePolicy", policy, ("Always", "OnRootMismatch"))
    yield from _validate_profile(context.seccompProfile, f"{where}.seccompProfile", "seccomp")
    yield from _validate_profile(context.appArmorProfile, f"{where}.appArmorProfile", "AppArmor")
    groups = context.supplementalGroupsPolicy
    if groups is not None and groups not in ("Merge", "Strict"):
        yield not_supported(f"{where}.supplementalGroupsPolicy", groups, ("Merge", "Strict"))
    relabel = context.seLinuxChangePolicy
    if relabel is not None and relabel not in ("MountOption", "Recursive"):
        yield not_supported(f"{where}.seLinuxChangePolicy", relabel, ("MountOption", "Recursive"))


def _validate_sysctls(spec: PodSpec, path: str) -> Iterator[FieldError]:
    context = spec.securityContext
    names: set[str] = set()
    for index, sysctl in enumerate(context.sysctls if context is not None else ()):
        where, name = f"{path}[{index}].name", sysctl.name
        if not name:
            yield required(where)
        elif len(name) > 253 or not _is_sysctl(name):
            yield invalid_value(where, name, f"must have at most 253 characters and match regex {_SYSCTL}")
        elif name in names:
            yield duplicate(where, name)
        names.add(name)
        plain = name.replace("/", ".")
        if spec.hostNetwork and plain.startswith("net."):
            yield invalid_value(where, name, "may not be specified when 'hostNetwork' is true")
        if spec.hostIPC and (plain.startswith(("kernel.shm", "kernel.msg", "fs.mqueue.")) or plain == "kernel.sem"):
            yield invalid_value(where, name, "may not be specified when 'hostIPC' is true")


def _validate_profile(profile: SeccompProfile | AppArmorProfile | None, path: str, kind: str) -> Iterator[FieldError]:
    if profile is None:
        return
    local = profile.localhostProfile
    if not profile.type:
        yield required(f"{path}.type", f"type is required when {kind}Profile is set")
    elif profile.type not in _PROFILES:
        yield not_supported(f"{path}.type", profile.type, _PROFILES)
    elif profile.type == "Localhost":
        if local is None:
            yield required(f"{path}.localhostProfile", f"must be set when {kind} type is Localhost")
        elif local.startswith("/"):
            yield invalid_value(f"{path}.localhostProfile", local, "must be a relative path")
        elif ".." in local.split("/"):
            yield invalid_value(f"{path}.localhostProfile", local, "must not contain '..'")
    elif local is not None:
        detail = f"can only be set when {kind} type is Localhost"
        yield invalid_value(f"{path}.localhostProfile", local, detail)


def validate_operating_system(spec: PodSpec, path: str) -> Iterator[FieldError]:
    """What one operating system has and the other has not."""
    if spec.os is None:
        return
    if not spec.os.name:
        yield required(f"{path}.os.name", "cannot be empty")
    elif spec.os.name not in ("linux", "windows"):
        yield not_supported(f"{path}.os", spec.os.name, ("linux", "windows"))
    elif spec.os.name == "windows":
        yield from _refuse_linux_fields(spec, path)
    else:
        yield from _refuse_windows_fields(spec, path)


def _refuse_linux_fields(spec: PodSpec, path: str) -> Iterator[FieldError]:
    for name in ("hostPID", "hostIPC", "shareProcessNamespace"):
        if getattr(spec, name):
            yield forbidden(f"{path}.{name}", _NOT_WINDOWS)
    context = spec.securityContext
    for name in (
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "fsGroup",
        "fsGroupChangePolicy",
        "sysctls",
        "runAsUser",
        "runAsGroup",
        "supplementalGroups",
        "supplementalGroupsPolicy",
    ):
        value = getattr(context, name, None)
        if value is not None and value != []:
            yield forbidden(f"{path}.securityContext.{name}", _NOT_WINDOWS)
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(getattr(spec, kind)):
            for name in (
                "appArmorProfile",
                "seLinuxOptions",
                "seccompProfile",
                "capabilities",
                "readOnlyRootFilesystem",
                "privileged",
                "allowPrivilegeEscalation",
                "procMount",
                "runAsUser",
                "runAsGroup",
            ):
                if getattr(container.securityContext, name, None) is not None:
                    yield forbidden(f"{path}.{kind}[{index}].securityContext.{name}", _NOT_WINDOWS)


def _refuse_windows_fields(spec: PodSpec, path: str) -> Iterator[FieldError]:
    if spec.securityContext is not None and spec.securityContext.windowsOptions is not None:
        yield forbidden(f"{path}.securityContext.windowsOptions", _NOT_LINUX)
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(getattr(spec, kind)):
            context = container.securityContext
            if context is not None and context.windowsOptions is not None:
                yield forbidden(f"{path}.{kind}[{index}].securityContext.windowsOptions", _NOT_LINUX)
